//! What a worker counts while it runs, and the names of what can go wrong.

use std::io;

use super::intervals::{Intervals, Totals};
use crate::pace::Nanos;
use crate::report::{Errors, Latency};

/// Length of the intervals in which a worker counts its responses, in nanoseconds.
pub const TENTH: Nanos = 100_000_000;

/// Why a request or a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    ConnectRefused,
    ConnectTimedOut,
    ConnectReset,
    NoAddress,
    NoDescriptor,
    ConnectOther,
    ReadReset,
    ReadClosed,
    ReadOther,
    Write,
    Timeout,
    Status(u16),
    Protocol,
    Body,
    Deadline,
}

impl Failure {
    pub fn of_connect(error: &io::Error) -> Self {
        use nix::errno::Errno;
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ECONNREFUSED) => Self::ConnectRefused,
            Some(Errno::ETIMEDOUT) => Self::ConnectTimedOut,
            Some(Errno::ECONNRESET | Errno::EPIPE) => Self::ConnectReset,
            Some(
                Errno::EADDRNOTAVAIL | Errno::EADDRINUSE | Errno::ENETUNREACH | Errno::EHOSTUNREACH,
            ) => Self::NoAddress,
            Some(Errno::EMFILE | Errno::ENFILE) => Self::NoDescriptor,
            _ => Self::ConnectOther,
        }
    }

    /// Adds one to the counter of this kind.
    pub fn count_in(self, errors: &mut Errors) {
        let counter = match self {
            Self::ConnectRefused => &mut errors.connect.refused,
            Self::ConnectTimedOut => &mut errors.connect.timed_out,
            Self::ConnectReset => &mut errors.connect.reset,
            Self::NoAddress => &mut errors.connect.no_address,
            Self::NoDescriptor => &mut errors.connect.no_descriptor,
            Self::ConnectOther => &mut errors.connect.other,
            Self::ReadReset => &mut errors.read.reset,
            Self::ReadClosed => &mut errors.read.closed,
            Self::ReadOther => &mut errors.read.other,
            Self::Write => &mut errors.write,
            Self::Timeout => &mut errors.timeout,
            Self::Status(code) => errors.status.entry(code).or_default(),
            Self::Protocol => &mut errors.protocol,
            Self::Body => &mut errors.body,
            Self::Deadline => &mut errors.deadline,
        };
        *counter += 1;
    }
}

/// What is known of the time that a right answer took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Since its request was due.
    pub latency: Nanos,
    /// Since its request was sent.
    pub service: Nanos,
    /// From then to its first byte.
    pub ttfb: Nanos,
}

/// What a [`Tally`] records besides what all do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recording {
    /// The time from the write, where that is not the moment a request was due.
    pub service: bool,
    /// The window second by second.
    pub intervals: bool,
}

impl Recording {
    /// What is needed of the time before the window, which nobody asked to see second by second.
    pub fn before_the_window(self) -> Self {
        Self { intervals: false, ..self }
    }
}

/// The recorder of one worker and one phase. It is swapped when the measured window opens, so that
/// the load never pauses.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: u64,
    pub bytes_read: u64,
    pub latency: Latency,
    /// `None` when it would be the same as the latency.
    pub service: Option<Latency>,
    /// Times to the first byte that are not the latency of the same answer, and those latencies. In
    /// a closed loop most are: an answer comes in one piece, in the moment in which it is parsed.
    ttfb: Latency,
    latency_of_ttfb: Latency,
    pub errors: Errors,
    /// Failures of all kinds: the sum of the errors.
    pub failures: u64,
    /// Sum of all latencies.
    pub latency_sum: u64,
    /// Responses in each whole [`TENTH`] since the phase began.
    pub per_tenth: Vec<u32>,
    pub intervals: Option<Intervals>,
    this_tenth: u32,
    tenth_ends: Nanos,
}

impl Tally {
    /// A recorder of a phase that begins at `begins`; `like` says what it records.
    pub fn starting(begins: Nanos, like: Recording) -> Self {
        Self {
            tenth_ends: begins + TENTH,
            service: like.service.then(Latency::new),
            intervals: like.intervals.then(|| Intervals::starting(begins)),
            ..Self::default()
        }
    }

    /// A right answer that was parsed at `now`. Later than `deadline` after it was due it is too
    /// late, which its latency shows all the same.
    #[inline]
    pub fn success(&mut self, now: Nanos, timing: Timing, deadline: Nanos) {
        self.latency.0.saturating_record(timing.latency);
        if timing.ttfb != timing.latency {
            self.ttfb.0.saturating_record(timing.ttfb);
            self.latency_of_ttfb.0.saturating_record(timing.latency);
        }
        self.latency_sum += timing.latency;
        if let Some(service) = &mut self.service {
            service.0.saturating_record(timing.service);
        }
        if let Some(intervals) = &mut self.intervals {
            intervals.latency.0.saturating_record(timing.latency);
        }
        if timing.latency > deadline {
            return self.fail(Failure::Deadline, 1);
        }
        while now >= self.tenth_ends {
            self.close_tenth();
        }
        self.this_tenth += 1;
        self.requests += 1;
    }

    /// The times to the first byte of all right answers.
    pub fn ttfb(&self) -> Latency {
        let mut all = self.latency.clone();
        all.0.subtract(&self.latency_of_ttfb.0).expect("they were recorded in both");
        all.merge(&self.ttfb);
        all
    }

    #[cold]
    fn close_tenth(&mut self) {
        self.per_tenth.push(std::mem::take(&mut self.this_tenth));
        self.tenth_ends += TENTH;
    }

    /// Ends the tenths of a second that are over at `now`.
    pub fn close_tenths(&mut self, now: Nanos) {
        while now >= self.tenth_ends {
            self.close_tenth();
        }
    }

    /// When the interval under way ends; never, when there is none.
    pub fn interval_ends(&self) -> Nanos {
        self.intervals.as_ref().map_or(Nanos::MAX, Intervals::ends)
    }

    /// Ends the interval under way, if any, while `connections` are open.
    pub fn close_interval(&mut self, at: Nanos, connections: u32) {
        if let Some(intervals) = &mut self.intervals {
            let totals = Totals {
                requests: self.requests,
                errors: self.failures,
                bytes_read: self.bytes_read,
            };
            intervals.close(at, totals, connections);
        }
    }

    /// `times` requests, or attempts to connect, failed.
    pub fn fail(&mut self, failure: Failure, times: u64) {
        for _ in 0..times {
            failure.count_in(&mut self.errors);
        }
        self.failures += times;
    }
}
