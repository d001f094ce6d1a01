//! What a worker counts while it runs, and the names of what can go wrong.

use std::io;

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
        };
        *counter += 1;
    }
}

/// The recorder of one worker and one phase. It is swapped when the measured window opens, so that
/// the load never pauses.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: u64,
    pub bytes_read: u64,
    pub latency: Latency,
    pub errors: Errors,
    /// Responses in each whole [`TENTH`] since the phase began.
    pub per_tenth: Vec<u32>,
    this_tenth: u32,
    tenth_ends: Nanos,
}

impl Tally {
    /// A recorder of a phase that begins at `begins`.
    pub fn starting(begins: Nanos) -> Self {
        Self { tenth_ends: begins + TENTH, ..Self::default() }
    }

    /// A right answer that was parsed at `now`, `latency` after it was due.
    #[inline]
    pub fn success(&mut self, now: Nanos, latency: Nanos) {
        self.close_tenths(now);
        self.this_tenth += 1;
        self.requests += 1;
        self.latency.0.saturating_record(latency);
    }

    /// Ends the tenths of a second that are over at `now`.
    pub fn close_tenths(&mut self, now: Nanos) {
        while now >= self.tenth_ends {
            self.per_tenth.push(std::mem::take(&mut self.this_tenth));
            self.tenth_ends += TENTH;
        }
    }

    pub fn fail(&mut self, failure: Failure) {
        failure.count_in(&mut self.errors);
    }
}
