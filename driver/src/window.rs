//! The measured window of one worker: when it was, and what it took.

use std::time::Duration;

use crate::connection::{Connection, Phase};
use crate::limits;
use crate::pace::Nanos;

#[derive(Debug, Default)]
pub struct Window {
    began: Nanos,
    ended: Nanos,
    cpu_began: Duration,
    /// CPU time of the worker's thread inside it.
    pub cpu: Duration,
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
        (_, self.age_at_open) = in_flight(connections, at);
    }

    pub fn close(&mut self, at: Nanos, connections: &[Connection]) {
        self.ended = at;
        self.cpu = limits::thread_cpu().saturating_sub(self.cpu_began);
        (self.in_flight_at_end, self.age_at_close) = in_flight(connections, at);
    }

    pub fn is_closed(&self) -> bool {
        self.ended > 0
    }

    /// How long it was: shorter than asked for when the run was stopped, 0 when it never closed.
    pub fn length(&self) -> Nanos {
        self.ended.saturating_sub(self.began)
    }
}

/// How many requests are in flight at `moment`, and for how long they have been, in all.
fn in_flight(connections: &[Connection], moment: Nanos) -> (u64, Nanos) {
    let waiting = connections.iter().filter(|connection| connection.phase == Phase::Waiting);
    waiting.fold((0, 0), |(count, age), connection| {
        (count + 1, age + moment.saturating_sub(connection.since))
    })
}
