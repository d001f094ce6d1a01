//! Where are the answers that have not been read: still with the server, or already in the driver's
//! own sockets? While it works, the driver looks into one connection after another, a thousand a
//! second.

use super::connection::Connection;
use crate::pace::Nanos;

/// Time between two looks.
const PERIOD: Nanos = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Probe {
    due: Nanos,
    /// The connection to be looked into next.
    next: usize,
    /// Looks at a connection with a request in flight.
    pub looks: u64,
    /// Of those, the ones that found an answer waiting to be read.
    pub unread: u64,
}

impl Probe {
    /// When it is time for the next look.
    pub fn due(&self) -> Nanos {
        self.due
    }

    /// Looks, when it is time.
    pub fn look(&mut self, now: Nanos, connections: &[Connection]) {
        if now < self.due || connections.is_empty() {
            return;
        }
        self.due = now + PERIOD;
        self.next = (self.next + 1) % connections.len();
        let connection = &connections[self.next];
        if connection.depth() > 0 {
            self.looks += 1;
            self.unread += u64::from(connection.has_unread());
        }
    }
}
