//! When a request is due, which is also from when its latency counts.

/// Nanoseconds since the run's epoch.
pub type Nanos = u64;

/// The schedule of one worker's sends.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Closed loop: a connection sends again as soon as it is free.
    Closed,
}

impl Pace {
    /// The moment at which a connection that became free at `free` is due to send, which is also
    /// the moment from which the latency of that request counts.
    #[inline]
    pub fn due(&self, free: Nanos) -> Nanos {
        match self {
            Self::Closed => free,
        }
    }
}
