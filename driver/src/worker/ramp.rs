//! Opening connections at the pace at which the server takes them.
//!
//! The kernel completes a handshake before the server accepts it, so an open connection proves
//! nothing: it may wait in the accept queue, or have been dropped from it. A connection is *proven*
//! by its first answer, and only so many may be open and unproven at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::limits::WINDOW;
use crate::pace::Nanos;

/// Failed attempts after which the ramp goes on without a connection. The load keeps trying.
const ATTEMPTS: u32 = 5;

#[derive(Debug)]
pub struct Ramp {
    window: u32,
    total: usize,
    tried: usize,
    unproven: u32,
    /// Connections that are proven or were given up.
    settled: usize,
    /// When the last connection was proven.
    pub end: Nanos,
    /// Unproven connections that failed and are to be tried again while there is room.
    pub retries: Retries,
}

/// Connections to open again, and when.
#[derive(Debug, Default)]
pub struct Retries(BinaryHeap<Reverse<(Nanos, usize)>>);

impl Retries {
    pub fn add(&mut self, due: Nanos, connection: usize) {
        self.0.push(Reverse((due, connection)));
    }

    /// A connection that is due at `now`.
    pub fn next(&mut self, now: Nanos) -> Option<usize> {
        self.due().filter(|due| *due <= now)?;
        self.0.pop().map(|Reverse((_, connection))| connection)
    }

    /// When the first one is due.
    pub fn due(&self) -> Option<Nanos> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }
}

impl Ramp {
    /// The ramp of one of `workers` workers, which has `total` connections.
    pub fn new(total: usize, workers: u32) -> Self {
        let window = (WINDOW / workers.max(1)).max(1);
        let retries = Retries::default();
        Self { window, total, tried: 0, unproven: 0, settled: 0, end: 0, retries }
    }

    /// A connection that is to be opened now, for the first time.
    pub fn next(&mut self) -> Option<usize> {
        if !self.has_room() || self.tried == self.total {
            return None;
        }
        self.tried += 1;
        Some(self.tried - 1)
    }

    /// Whether another unproven connection may open.
    pub fn has_room(&self) -> bool {
        self.unproven < self.window
    }

    /// An unproven connection opens, for the first time or again.
    pub fn opens(&mut self) {
        self.unproven += 1;
    }

    /// An unproven connection had its first answer, after this many failures.
    pub fn proves(&mut self, failures: u32, now: Nanos) {
        self.unproven -= 1;
        self.end = now;
        // One that was given up is settled already.
        if failures < ATTEMPTS {
            self.settled += 1;
        }
    }

    /// An unproven connection failed for the `failures`th time.
    pub fn fails(&mut self, failures: u32) {
        self.unproven -= 1;
        if failures == ATTEMPTS {
            self.settled += 1;
        }
    }

    /// Whether every connection is proven or was given up.
    pub fn is_over(&self) -> bool {
        self.settled == self.total
    }

    /// The connections that were never tried, which now count as tried.
    pub fn rest(&mut self) -> Range<usize> {
        std::mem::replace(&mut self.tried, self.total)..self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_window_of_connections_is_unproven() {
        let mut ramp = Ramp::new(1000, 2);
        let mut open = 0;
        while ramp.next().is_some() {
            ramp.opens();
            open += 1;
        }
        assert_eq!(open, WINDOW / 2);
        ramp.proves(0, 1);
        assert_eq!(ramp.next(), Some(open as usize));
    }

    #[test]
    fn retries_come_when_they_are_due_and_in_that_order() {
        let mut retries = Retries::default();
        retries.add(30, 1);
        retries.add(10, 2);
        assert_eq!((retries.due(), retries.next(9)), (Some(10), None));
        assert_eq!(
            (retries.next(30), retries.next(30), retries.next(30)),
            (Some(2), Some(1), None)
        );
    }

    #[test]
    fn a_connection_settles_once() {
        let mut ramp = Ramp::new(1, 1);
        assert_eq!(ramp.next(), Some(0));
        for failures in 1..=ATTEMPTS + 2 {
            assert_eq!(ramp.is_over(), failures > ATTEMPTS);
            ramp.opens();
            ramp.fails(failures);
        }
        ramp.opens();
        ramp.proves(ATTEMPTS + 2, 7);
        assert!(ramp.is_over());
        assert_eq!((ramp.next(), ramp.end), (None, 7));
    }

    #[test]
    fn the_rest_is_what_was_never_tried() {
        let mut ramp = Ramp::new(5, 1);
        ramp.next();
        ramp.next();
        assert_eq!((ramp.rest(), ramp.next()), (2..5, None));
    }
}
