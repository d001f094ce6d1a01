//! What this host can hold, and how a cell's connections are spread so that it does.

use procfs::{Current as _, Meminfo};

use crate::host::{self, net};

/// Descriptors of a server process that are not its clients': standard streams, listeners, epoll
/// and wake-up descriptors, opened files, and connections that it has not yet noticed are closed.
pub const RESERVE: u64 = 64;

/// What a connection takes of memory, both ends in the kernel and the server's own, in bytes: a
/// server with a 32 KiB stack for each connection is the largest one here.
const MEMORY_PER_CONNECTION: u64 = 48 * 1024;

/// Server processes that `connections` need when each may have `hard_limit` descriptors.
fn instances_needed(connections: u32, hard_limit: u64) -> u32 {
    let per_instance = hard_limit.saturating_sub(RESERVE).max(1);
    let needed = u64::from(connections).div_ceil(per_instance);
    u32::try_from(needed.max(1)).unwrap_or(u32::MAX)
}

/// Limits of the host. `None` where it does not say; then that limit is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Hard descriptor limit of one process; on the driver's side, of one thread.
    pub descriptors: u64,
    /// Local ports for connections to one address.
    pub ports: Option<u64>,
    /// Open files on the whole host.
    pub files: Option<u64>,
    /// Memory that can be had, in bytes.
    pub memory: Option<u64>,
}

/// More connections than the host can hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    #[error(
        "{connections} connections need {needed} open files, and this host allows {limit} in all; \
         raise it with `sysctl fs.file-max={needed}`"
    )]
    Files { connections: u32, needed: u64, limit: u64 },
    #[error(
        "{connections} connections need about {} GiB of memory, and {} GiB can be had here; ask \
         for {fitting} or fewer, or take a larger machine",
        gib(*.needed), gib(*.available)
    )]
    Memory { connections: u32, needed: u64, available: u64, fitting: u64 },
}

fn gib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 30)
}

impl Capacity {
    pub fn of_host() -> Self {
        Self {
            descriptors: host::descriptors().map_or(u64::MAX, |limits| limits.hard),
            ports: net::ephemeral_ports().map(|range| range.len() as u64),
            files: host::sysctl("fs.file-max").and_then(|text| text.parse().ok()),
            memory: Meminfo::current().ok().and_then(|info| info.mem_available),
        }
    }

    /// Server processes that share `connections`: as few as the descriptor limit of a process and
    /// the ports of a target allow.
    pub fn instances(&self, connections: u32) -> u32 {
        let ports = self.ports.unwrap_or(u64::MAX).clamp(1, u32::MAX.into()) as u32;
        instances_needed(connections, self.descriptors).max(connections.div_ceil(ports))
    }

    /// Driver threads: one for each of its `cpus`, more when their descriptor tables would not hold
    /// the connections, and never more than connections.
    pub fn driver_threads(&self, connections: u32, cpus: usize) -> u32 {
        let per_thread = self.descriptors.saturating_sub(driver::limits::RESERVE).max(1);
        let needed = u64::from(connections).div_ceil(per_thread);
        needed.max(cpus as u64).clamp(1, connections.max(1).into()) as u32
    }

    /// Whether the host can hold `connections`.
    ///
    /// # Errors
    /// The limit that they would hit, and what would raise it.
    pub fn check(&self, connections: u32) -> Result<(), TooMany> {
        // One at each end.
        let needed = u64::from(connections) * 2;
        if let Some(limit) = self.files
            && needed > limit
        {
            return Err(TooMany::Files { connections, needed, limit });
        }
        let needed = u64::from(connections) * MEMORY_PER_CONNECTION;
        if let Some(available) = self.memory
            && needed > available
        {
            let fitting = available / MEMORY_PER_CONNECTION;
            return Err(TooMany::Memory { connections, needed, available, fitting });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Capacity = Capacity {
        descriptors: 20_000,
        ports: Some(28_232),
        files: Some(1_000_000),
        memory: Some(8 << 30),
    };

    #[test]
    fn connections_are_spread_when_one_process_cannot_hold_them() {
        assert_eq!([1, 400, 19_936].map(|n| HOST.instances(n)), [1, 1, 1]);
        assert_eq!([19_937, 20_000, 100_000].map(|n| HOST.instances(n)), [2, 2, 6]);
    }

    #[test]
    fn ports_spread_them_where_descriptors_do_not() {
        let roomy = Capacity { descriptors: 1_048_576, ..HOST };
        assert_eq!([28_232, 28_233, 100_000].map(|n| roomy.instances(n)), [1, 2, 4]);
    }

    #[test]
    fn the_driver_has_a_thread_for_each_cpu_and_tables_enough() {
        assert_eq!(HOST.driver_threads(400, 2), 2);
        assert_eq!(HOST.driver_threads(1, 2), 1);
        assert_eq!(HOST.driver_threads(20_000, 1), 2);
        let small = Capacity { descriptors: 1024, ..HOST };
        assert_eq!(small.driver_threads(20_000, 2), 21);
    }

    #[test]
    fn the_limit_that_would_be_hit_is_named_with_what_raises_it() {
        assert_eq!(HOST.check(20_000), Ok(()));
        let memory = HOST.check(400_000).unwrap_err().to_string();
        assert!(memory.contains("about 19 GiB") && memory.contains("8 GiB can"), "{memory}");
        let files = HOST.check(600_000).unwrap_err().to_string();
        assert!(files.contains("fs.file-max=1200000"), "{files}");
        let silent = Capacity { ports: None, files: None, memory: None, ..HOST };
        assert_eq!(silent.check(u32::MAX), Ok(()));
    }

    #[test]
    fn instances_are_as_many_as_the_descriptor_limit_forces() {
        for (connections, hard_limit, instances) in [
            (1, 20_000, 1),
            (19_936, 20_000, 1),
            (19_937, 20_000, 2),
            (20_000, 20_000, 2),
            (20_000, 1 << 20, 1),
            (400, 264, 2),
            (2, 10, 2),
        ] {
            assert_eq!(instances_needed(connections, hard_limit), instances);
        }
    }
}
