//! The measured window of one worker: when it was, and what it took.

use std::time::Duration;

use super::connection::Connection;
use crate::limits;
use crate::pace::Nanos;

#[derive(Debug, Default)]
pub struct Window {
    began: Nanos,
    ended: Nanos,
    cpu_began: Duration,
    switches_began: u64,
    /// CPU time of the worker's thread inside it.
    pub cpu: Duration,
    /// How often the thread was taken off its core inside it while it had work to do.
    pub involuntary_switches: u64,
    /// Requests without an answer when it closed.
    pub in_flight_at_end: u64,
    /// How long, in all, the requests in flight had been so when it opened and when it closed.
    pub age_at_open: Nanos,
    pub age_at_close: Nanos,
}

impl Window {
    pub fn open(&mut self, at: Nanos, connections: &[Connection]) {
        self.began = at;
        self.cpu_began = limits::thread_cpu();
        self.switches_began = limits::involuntary_switches();
        (_, self.age_at_open) = in_flight(connections, at);
    }

    pub fn close(&mut self, at: Nanos, connections: &[Connection]) {
        self.ended = at;
        self.cpu = limits::thread_cpu().saturating_sub(self.cpu_began);
        self.involuntary_switches =
            limits::involuntary_switches().saturating_sub(self.switches_began);
        (self.in_flight_at_end, self.age_at_close) = in_flight(connections, at);
    }

    pub fn began(&self) -> Nanos {
        self.began
    }

    pub fn is_closed(&self) -> bool {
        self.ended > 0
    }

    /// How long it was: shorter than asked for when the run was stopped, 0 when it never closed.
    pub fn length(&self) -> Nanos {
        self.ended.saturating_sub(self.began)
    }
}

/// How many requests are in flight at `moment`, and for how long they have been due, in all.
fn in_flight(connections: &[Connection], moment: Nanos) -> (u64, Nanos) {
    let requests = connections.iter().flat_map(Connection::in_flight);
    requests
        .fold((0, 0), |(count, age), request| (count + 1, age + moment.saturating_sub(request.due)))
}
