//! How late the sends of an open loop were.

use crate::pace::Nanos;
use crate::report::Lag;

/// Of one worker, inside its window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lags {
    pub sent: u64,
    /// From the moment a request was due to its write.
    lag: Late,
    /// The part of it after the connection was free, which is the driver's own.
    own: Late,
}

#[derive(Clone, Copy, Debug, Default)]
struct Late {
    sum: u64,
    max: Nanos,
}

impl Lags {
    /// A request was sent at `now` that was due at `due`, on a connection that was free since `free`.
    #[inline]
    pub fn send(&mut self, now: Nanos, due: Nanos, free: Nanos) {
        self.sent += 1;
        self.lag.add(now.saturating_sub(due));
        self.own.add(now.saturating_sub(due.max(free)));
    }

    /// Adds those of another worker.
    pub fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.lag.merge(other.lag);
        self.own.merge(other.own);
    }

    pub fn lag(&self) -> Lag {
        self.lag.of(self.sent)
    }

    pub fn own(&self) -> Lag {
        self.own.of(self.sent)
    }
}

impl Late {
    fn add(&mut self, late: Nanos) {
        // Half a million years of lateness fit.
        self.sum = self.sum.saturating_add(late);
        self.max = self.max.max(late);
    }

    fn merge(&mut self, other: Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    fn of(self, sent: u64) -> Lag {
        let mean = if sent > 0 { self.sum as f64 / sent as f64 } else { 0.0 };
        Lag { mean_s: mean / 1e9, max_s: self.max as f64 / 1e9 }
    }
}
