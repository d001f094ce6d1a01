//! The measured window second by second.

use crate::pace::Nanos;
use crate::report::{Interval, Latency, PackedLatency};

/// Length of an interval.
pub const LENGTH: Nanos = 1_000_000_000;

/// What adds up while a window lasts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub requests: u64,
    pub errors: u64,
    pub bytes_read: u64,
}

/// The recorder of the interval under way, and those that are over.
#[derive(Debug)]
pub struct Intervals {
    /// Of the interval under way.
    pub latency: Latency,
    began: Nanos,
    /// What there was when it began.
    before: Totals,
    over: Vec<Over>,
}

/// An interval that is over.
#[derive(Debug)]
struct Over {
    began: Nanos,
    ended: Nanos,
    counted: Totals,
    connections: u32,
    latency: PackedLatency,
}

impl Intervals {
    pub fn starting(begins: Nanos) -> Self {
        Self { latency: Latency::new(), began: begins, before: Totals::default(), over: Vec::new() }
    }

    /// When the interval under way ends.
    pub fn ends(&self) -> Nanos {
        self.began + LENGTH
    }

    /// Ends it at `at`, when there had been `totals` and there are `connections` open ones.
    pub fn close(&mut self, at: Nanos, totals: Totals, connections: u32) {
        if at <= self.began {
            return;
        }
        self.over.push(Over {
            began: self.began,
            ended: at,
            counted: Totals {
                requests: totals.requests - self.before.requests,
                errors: totals.errors - self.before.errors,
                bytes_read: totals.bytes_read - self.before.bytes_read,
            },
            connections,
            latency: PackedLatency::from(&self.latency),
        });
        self.latency.0.reset();
        self.began = at;
        self.before = totals;
    }

    /// Those that are over, as counted from `open`.
    pub fn finish(self, open: Nanos) -> Vec<Interval> {
        let seconds = |nanos: Nanos| nanos as f64 / 1e9;
        let interval = |over: Over| Interval {
            start_s: seconds(over.began.saturating_sub(open)),
            length_s: seconds(over.ended - over.began),
            requests: over.counted.requests,
            errors: over.counted.errors,
            bytes_read: over.counted.bytes_read,
            connections: over.connections,
            latency: over.latency,
        };
        self.over.into_iter().map(interval).collect()
    }
}
