//! What this host allows a driver to hold, asked before anything starts, and the per-thread
//! descriptor tables that raise it.

use std::fmt;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Descriptors kept free in each table: standard streams, the event queue, and what the runtime
/// may open.
pub const RESERVE: u64 = 32;

/// A limit that the asked-for load would hit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error(
        "{connections} connections over {threads} thread{} need {needed} descriptors in one table, \
         and the hard limit is {hard}.\n\
         {advice}\n\
         To raise the limit: `ulimit -Hn {needed}` as root, LimitNOFILE= in a systemd unit, or \
         /etc/security/limits.conf.",
        if *.threads == 1 { "" } else { "s" }
    )]
    Descriptors { connections: u32, threads: u32, needed: u64, hard: u64, advice: String },
    #[error(
        "{connections} connections to one address need more than the {ports} local ports that the \
         host has for it ({range}).\n\
         Name more targets (other ports or addresses of the same server), or widen the range: \
         `sysctl net.ipv4.ip_local_port_range=\"1024 65535\"`."
    )]
    Ports { connections: u32, ports: u64, range: PortRange },
}

/// The local ports that the kernel gives to connecting sockets, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

impl PortRange {
    /// The host's; `None` where it does not say.
    pub fn of_host() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
        let mut fields = text.split_whitespace().map(str::parse);
        match (fields.next()?, fields.next()?) {
            (Ok(first), Ok(last)) => Some(Self { first, last }),
            _ => None,
        }
    }

    pub fn count(self) -> u64 {
        (u64::from(self.last) + 1).saturating_sub(u64::from(self.first))
    }
}

/// What the host allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Hard limit of descriptors in one table.
    pub descriptors: u64,
    /// Whether each thread can have a table of its own.
    pub table_per_thread: bool,
    pub ports: Option<PortRange>,
}

impl Limits {
    /// Asks the host, and raises this process's soft descriptor limit to the hard one.
    pub fn of_host() -> Self {
        Self {
            descriptors: raise_descriptors(),
            // Tried in a thread that ends at once: a sandbox may forbid it.
            table_per_thread: std::thread::spawn(own_descriptor_table).join().unwrap_or(false),
            ports: PortRange::of_host(),
        }
    }

    /// Whether `connections` over `threads` fit, of which `to_one_address` go to the address that
    /// gets most.
    ///
    /// # Errors
    /// The first limit that they would hit.
    pub fn check(
        &self,
        connections: u32,
        threads: u32,
        to_one_address: u32,
    ) -> Result<(), LimitError> {
        let room = self.descriptors.saturating_sub(RESERVE);
        let tables = if self.table_per_thread { threads.max(1) } else { 1 };
        let in_one_table = u64::from(connections.div_ceil(tables));
        if in_one_table > room {
            let advice = if self.table_per_thread && room > 0 {
                format!(
                    "Each thread has a table of its own, so `-t {}` would do.",
                    u64::from(connections).div_ceil(room)
                )
            } else {
                format!("At most {room} connections fit.")
            };
            return Err(LimitError::Descriptors {
                connections,
                threads,
                needed: in_one_table + RESERVE,
                hard: self.descriptors,
                advice,
            });
        }
        if let Some(range) = self.ports
            && u64::from(to_one_address) > range.count()
        {
            let ports = range.count();
            return Err(LimitError::Ports { connections: to_one_address, ports, range });
        }
        Ok(())
    }
}

/// Raises the soft descriptor limit as far as this process may, and returns it.
pub fn raise_descriptors() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX)
        .or_else(|_| rlimit::Resource::NOFILE.get_soft())
        .unwrap_or(u64::MAX)
}

/// Gives the calling thread a descriptor table of its own, so that the limit counts for it alone.
/// Returns whether that worked; on anything but Linux it cannot.
pub fn own_descriptor_table() -> bool {
    #[cfg(target_os = "linux")]
    {
        use nix::sched::{CloneFlags, unshare};
        unshare(CloneFlags::CLONE_FILES).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

/// CPU time that the calling thread has used.
pub fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// How often the calling thread was taken off its core while it had work to do; 0 where the host does
/// not say.
pub fn involuntary_switches() -> u64 {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::resource::{UsageWho, getrusage};
        let usage = getrusage(UsageWho::RUSAGE_THREAD);
        usage.map_or(0, |usage| usage.involuntary_context_switches().unsigned_abs())
    }
    #[cfg(not(target_os = "linux"))]
    {
        0
    }
}

/// Peak resident set of this process, in bytes; 0 where the host does not say.
pub fn peak_rss() -> u64 {
    // Not getrusage: its maximum survives execve and so would be the parent's.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok()
    });
    kib.unwrap_or(0u64) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(descriptors: u64, table_per_thread: bool) -> Limits {
        let ports = Some(PortRange { first: 32768, last: 60999 });
        Limits { descriptors, table_per_thread, ports }
    }

    #[test]
    fn one_table_holds_the_limit_less_the_reserve() {
        assert_eq!(limits(1024, true).check(992, 1, 992), Ok(()));
        assert!(limits(1024, true).check(993, 1, 993).is_err());
    }

    #[test]
    fn tables_of_their_own_multiply_the_room() {
        assert_eq!(limits(20_000, true).check(39_936, 2, 19_968), Ok(()));
        assert!(limits(20_000, false).check(39_936, 2, 19_968).is_err());
        assert_eq!(limits(1_048_576, false).check(39_936, 2, 19_968), Ok(()));
    }

    #[test]
    fn the_error_says_how_many_threads_would_do() {
        let error = limits(1024, true).check(20_000, 2, 20_000).unwrap_err().to_string();
        assert!(error.contains("`-t 21`"), "{error}");
        assert!(error.contains("hard limit is 1024"), "{error}");
        assert_eq!(limits(1024, true).check(20_000, 21, 20_000), Ok(()));
    }

    #[test]
    fn ports_count_per_address() {
        assert_eq!(limits(1_048_576, true).check(28_232, 1, 28_232), Ok(()));
        let error = limits(1_048_576, true).check(28_233, 1, 28_233).unwrap_err();
        assert!(matches!(error, LimitError::Ports { ports: 28_232, .. }));
        assert_eq!(limits(1_048_576, true).check(56_464, 1, 28_232), Ok(()));
    }

    #[test]
    fn a_limit_below_the_reserve_is_an_error_and_not_an_underflow() {
        assert!(limits(10, true).check(1, 1, 1).is_err());
    }
}
