//! This process and its threads: what they use, and raising what they may use.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

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
