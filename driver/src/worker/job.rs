//! What the main thread and the workers tell one another.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::probe::Probe;
use super::window::Window;
use crate::http::request::Template;
use crate::pace::{Nanos, Pace};
use crate::record::{Lags, Recording, Tally};
use crate::report::Latency;
use crate::scenario::Expect;
use crate::source::source_of;

/// What one worker is asked to do.
pub struct Job {
    /// Position among the workers of this driver.
    pub local: u32,
    /// Position among the workers of all shards, and how many there are.
    pub index: u32,
    pub of: u32,
    /// This worker's connections.
    pub connections: u32,
    /// The first of them in the count over all workers: it decides which target and source each has,
    /// and when it sends in an open loop.
    pub first_connection: u32,
    pub all_connections: u32,
    pub targets: Vec<Target>,
    /// Local addresses to connect from; none leaves it to the kernel.
    pub sources: Arc<[IpAddr]>,
    /// Whether the method is `HEAD`.
    pub to_head: bool,
    pub expect: Expect,
    pub pace: Pace,
    /// Requests that a connection may have in flight.
    pub pipeline: usize,
    /// Whether a connection carries more than one request.
    pub keepalive: bool,
    /// Whether a connection that ended is opened again.
    pub reconnect: bool,
    pub recording: Recording,
    pub warmup: Nanos,
    pub duration: Nanos,
    pub timeout: Nanos,
    /// The largest value when there is none.
    pub deadline: Nanos,
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

/// How one worker is doing, on a cache line of its own (two, as CPUs prefetch in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Progress {
    /// Right answers since the first connection, those of the ramp included.
    pub answers: AtomicU64,
    /// The sum of their latencies, in nanoseconds.
    pub latency_sum: AtomicU64,
    pub errors: AtomicU64,
    /// Connections that are open.
    pub open: AtomicU64,
}

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
    /// One a worker.
    pub progress: Vec<Progress>,
}

impl Control {
    pub fn new(threads: u32) -> Self {
        Self {
            epoch: Instant::now(),
            ready: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            begin: OnceLock::new(),
            stop: AtomicBool::new(false),
            progress: (0..threads).map(|_| Progress::default()).collect(),
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
    /// Connections that had answered when the load began.
    pub established: u32,
    /// When the last connection was first answered.
    pub ramp_end: Nanos,
    pub connect: Latency,
    pub before: Tally,
    pub measured: Tally,
    pub window: Window,
    pub unanswered: u64,
    /// Requests of an open loop that were due inside the window.
    pub scheduled: u64,
    pub lags: Lags,
    pub probe: Probe,
    pub reconnects: u64,
    pub lost: u64,
}
