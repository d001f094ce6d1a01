//! CPUs: which there are, which are siblings, which we may use.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::read;

const SYSFS: &str = "/sys/devices/system/cpu";

/// The CPUs that this process may use (what `taskset` left). Never empty.
pub fn allowed() -> Vec<usize> {
    let allowed: Vec<usize> = sched_getaffinity(Pid::from_raw(0))
        .map(|set| {
            let known = 0..CpuSet::count();
            known.filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
        })
        .unwrap_or_default();
    match allowed.is_empty() {
        true => vec![0],
        false => allowed,
    }
}

/// The CPUs of each physical core, over all CPUs that are online; empty when the host hides it.
pub fn cores() -> Vec<Vec<usize>> {
    let online = read(&format!("{SYSFS}/online")).unwrap_or_default();
    let mut cores: Vec<Vec<usize>> = Vec::new();
    for cpu in cpu_list(&online) {
        if cores.iter().any(|core| core.contains(&cpu)) {
            continue;
        }
        match read(&format!("{SYSFS}/cpu{cpu}/topology/thread_siblings_list")) {
            Some(siblings) => cores.push(cpu_list(&siblings)),
            None => return Vec::new(),
        }
    }
    cores
}

/// The frequency governor of the first CPU.
pub fn governor() -> Option<String> {
    read(&format!("{SYSFS}/cpu0/cpufreq/scaling_governor"))
}

/// `0-2,8` is 0, 1, 2, 8. What is not a number is skipped.
fn cpu_list(text: &str) -> Vec<usize> {
    text.trim()
        .split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_of_cpus_are_read() {
        for (text, cpus) in [
            ("0\n", &[0][..]),
            ("0-3", &[0, 1, 2, 3]),
            ("0,4", &[0, 4]),
            ("0-1,8-9,12", &[0, 1, 8, 9, 12]),
            ("", &[]),
        ] {
            assert_eq!(cpu_list(text), cpus, "{text}");
        }
    }

    #[test]
    fn this_process_runs_somewhere() {
        assert!(!allowed().is_empty());
    }
}
