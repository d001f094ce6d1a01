//! What the main thread and the workers tell one another.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::pace::{Nanos, Pace};
use crate::report::Latency;
use crate::request::Template;
use crate::scenario::Expect;
use crate::source::source_of;
use crate::tally::Tally;
use crate::window::Window;

/// What one worker is asked to do.
pub struct Job {
    /// Position among the workers, and how many there are.
    pub index: u32,
    pub of: u32,
    /// This worker's connections.
    pub connections: u32,
    /// The first of them in the count over all workers: it decides which target and source each has.
    pub first_connection: u32,
    pub targets: Vec<Target>,
    /// Local addresses to connect from; none leaves it to the kernel.
    pub sources: Arc<[IpAddr]>,
    /// Whether the method is `HEAD`.
    pub to_head: bool,
    pub expect: Expect,
    pub pace: Pace,
    pub warmup: Nanos,
    pub duration: Nanos,
    pub timeout: Nanos,
    pub connect_timeout: Nanos,
}

impl Job {
    /// Where this worker's connection `index` comes from.
    pub fn source(&self, index: usize) -> Option<IpAddr> {
        source_of(self.first_connection as usize + index, self.targets.len(), &self.sources)
    }
}

#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub request: Template,
}

/// A counter on a cache line of its own (two, as CPUs prefetch in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded(pub AtomicU64);

/// What is shared while a run lasts.
pub struct Control {
    /// All [`Nanos`] count from here.
    pub epoch: Instant,
    /// Workers whose ramp is over.
    pub ready: AtomicU32,
    /// Workers that ended, well or not.
    pub ended: AtomicU32,
    /// When the load begins, once that is known.
    pub begin: OnceLock<Nanos>,
    /// Set to end the run early.
    pub stop: AtomicBool,
    /// Right answers since the load began, one counter a worker.
    pub progress: Vec<Padded>,
}

impl Control {
    pub fn new(threads: u32) -> Self {
        Self {
            epoch: Instant::now(),
            ready: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            begin: OnceLock::new(),
            stop: AtomicBool::new(false),
            progress: (0..threads).map(|_| Padded::default()).collect(),
        }
    }

    #[inline]
    pub fn now(&self) -> Nanos {
        // 584 years fit.
        self.epoch.elapsed().as_nanos() as Nanos
    }
}

/// What one worker found.
pub struct Finding {
    pub connections: u32,
    /// Connections that were open when the load began.
    pub established: u32,
    /// When the last connection was first answered.
    pub ramp_end: Nanos,
    pub connect: Latency,
    pub before: Tally,
    pub measured: Tally,
    pub window: Window,
    pub unanswered: u64,
    pub reconnects: u64,
}
