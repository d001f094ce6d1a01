//! What a server's processes use, as the operating system counts it.

use std::collections::HashSet;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;
use procfs::process::{ClearRefs, Process};

use crate::results::record::Usage;

/// Every process of the groups: workers that a server has forked count too.
fn members(groups: &HashSet<i32>) -> Vec<Process> {
    procfs::process::all_processes()
        .into_iter()
        .flatten()
        .flatten()
        .filter(|process| process.stat().is_ok_and(|stat| groups.contains(&stat.pgrp)))
        .collect()
}

/// Since each process's start, except `threads` (now) and `peak_rss` (since [`reset_peak`]).
/// Pages that processes share count once for each.
pub fn read(groups: &HashSet<i32>) -> Usage {
    let mut usage = Usage::default();
    for process in members(groups) {
        usage.cpu_s += cpu_time(process.pid).unwrap_or_default().as_secs_f64();
        if let Ok(status) = process.status() {
            usage.peak_rss += status.vmhwm.unwrap_or(0) * 1024;
            usage.threads += status.threads;
        }
        // The process's own status has the switches of its first thread only.
        for task in process.tasks().into_iter().flatten().flatten() {
            if let Ok(status) = task.status() {
                usage.voluntary_switches += status.voluntary_ctxt_switches.unwrap_or(0);
                usage.involuntary_switches += status.nonvoluntary_ctxt_switches.unwrap_or(0);
            }
        }
    }
    usage
}

/// Begins the peak of the resident set anew.
pub fn reset_peak(groups: &HashSet<i32>) {
    for process in members(groups) {
        // It fails when the process has just ended, and then nobody asks for its peak.
        let _ = process.clear_refs(ClearRefs::PeakRSS);
    }
}

/// What was used between two readings.
pub fn between(start: &Usage, end: &Usage) -> Usage {
    Usage {
        // A process that ended in between takes its share with it.
        cpu_s: (end.cpu_s - start.cpu_s).max(0.0),
        peak_rss: end.peak_rss,
        threads: end.threads,
        voluntary_switches: end.voluntary_switches.saturating_sub(start.voluntary_switches),
        involuntary_switches: end.involuntary_switches.saturating_sub(start.involuntary_switches),
    }
}

/// In nanoseconds' resolution; `/proc` has hundredths of a second.
fn cpu_time(pid: i32) -> nix::Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))?;
    Ok(Duration::from(clock.now()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_differences_and_the_rest_is_as_it_ended() {
        let start = Usage {
            cpu_s: 1.0,
            peak_rss: 10,
            threads: 3,
            voluntary_switches: 100,
            involuntary_switches: 9,
        };
        let end = Usage {
            cpu_s: 1.5,
            peak_rss: 7,
            threads: 2,
            voluntary_switches: 150,
            involuntary_switches: 4,
        };
        let used = between(&start, &end);
        assert_eq!(used.cpu_s, 0.5);
        assert_eq!((used.peak_rss, used.threads), (7, 2));
        assert_eq!((used.voluntary_switches, used.involuntary_switches), (50, 0));
    }
}
