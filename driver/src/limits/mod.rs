//! What this host allows a driver to hold, asked before anything starts, and the per-thread
//! descriptor tables that raise it.
//!
//! [`Host::read`] is the only part that looks at the host; [`check`] compares what it read with a
//! [`Demand`] and knows nothing else.

mod check;
mod demand;
mod host;
mod ports;
mod process;

pub use check::{Limit, check};
pub use demand::Demand;
pub use host::{Host, TcpMemory, TimeWait, Usage};
pub use ports::Ports;
pub use process::{
    involuntary_switches, own_descriptor_table, peak_rss, raise_descriptors, thread_cpu,
};

/// Descriptors kept free in each table: standard streams, the event queue, and what the runtime
/// may open.
pub const RESERVE: u64 = 32;

/// Connections, over all threads, that may be open without having been answered: the smallest
/// backlog in common use, so that opening connections overflows no accept queue.
pub const WINDOW: u32 = 128;
