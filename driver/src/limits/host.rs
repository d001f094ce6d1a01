//! The host's limits, read once. What it does not say is `None` and not checked.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{Ports, process};
use crate::transport;

/// How much of something there may be, and how much there is already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub used: u64,
    pub max: u64,
}

impl Usage {
    /// What may still come.
    pub fn room(self) -> u64 {
        self.max.saturating_sub(self.used)
    }
}

/// Memory of all TCP sockets' queues, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpMemory {
    pub used: u64,
    /// From here on the kernel makes its queues smaller.
    pub pressure: u64,
    /// From here on it drops what comes.
    pub high: u64,
}

/// Ports of connections that were closed within the last minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWait {
    pub ports: u64,
    /// `net.ipv4.tcp_tw_reuse`: 0 never, 1 for all, 2 for loopback gives such ports again.
    pub reuse: u64,
}

/// What the host allows.
#[derive(Clone, Debug)]
pub struct Host {
    /// Hard limit of descriptors in one table.
    pub descriptors: u64,
    /// The highest that this limit can be raised to.
    pub nr_open: Option<u64>,
    /// Whether each thread can have a table of its own.
    pub table_per_thread: bool,
    /// Open files of all processes.
    pub files: Option<Usage>,
    pub ports: Option<Ports>,
    /// Whether a connection finds a free port without a search while there is one.
    pub quick_ports: bool,
    pub time_wait: Option<TimeWait>,
    /// Sources that no connection can come from, and why.
    pub refused_sources: Vec<(IpAddr, String)>,
    /// The longest queue of connections that a server may ask for.
    pub somaxconn: Option<u64>,
    /// Connections that the firewall tracks; `None` without the module.
    pub conntrack: Option<Usage>,
    pub tcp_memory: Option<TcpMemory>,
    /// Descriptors that one user may have in event queues.
    pub watches: Option<u64>,
    /// Memory that can be had, in bytes.
    pub memory: Option<u64>,
    /// Memory of the control group that has least of it left, in bytes.
    pub group_memory: Option<Usage>,
    /// Processes and threads of the control group that has fewest of them left.
    pub group_tasks: Option<Usage>,
}

impl Host {
    /// Asks the host, raises this process's soft descriptor limit to the hard one, and tries
    /// whether connections can come from `sources`.
    pub fn read(sources: &[IpAddr]) -> Self {
        let refused = |source: &IpAddr| {
            transport::probe_source(*source).err().map(|error| (*source, error.to_string()))
        };
        Self {
            descriptors: process::raise_descriptors(),
            nr_open: sysctl("fs/nr_open", 0),
            // Tried in a thread that ends at once: a sandbox may forbid it.
            table_per_thread: std::thread::spawn(process::own_descriptor_table)
                .join()
                .unwrap_or(false),
            files: sysctl("fs/file-nr", 0)
                .zip(sysctl("fs/file-nr", 2))
                .map(|(used, max)| Usage { used, max }),
            ports: Ports::parse(
                &text("/proc/sys/net/ipv4/ip_local_port_range"),
                &text("/proc/sys/net/ipv4/ip_local_reserved_ports"),
            ),
            quick_ports: linux_since(&text("/proc/sys/kernel/osrelease"), (6, 8)),
            time_wait: sockstat("tw")
                .zip(sysctl("net/ipv4/tcp_tw_reuse", 0))
                .map(|(ports, reuse)| TimeWait { ports, reuse }),
            refused_sources: sources.iter().filter_map(refused).collect(),
            somaxconn: sysctl("net/core/somaxconn", 0),
            conntrack: conntrack(),
            tcp_memory: tcp_memory(),
            watches: sysctl("fs/epoll/max_user_watches", 0),
            memory: memory(),
            group_memory: group("memory"),
            group_tasks: group("pids"),
        }
    }
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The field at `index` of a sysctl.
fn sysctl(name: &str, index: usize) -> Option<u64> {
    text(format!("/proc/sys/{name}")).split_whitespace().nth(index)?.parse().ok()
}

/// The value named `key` in the TCP line of `/proc/net/sockstat`.
fn sockstat(key: &str) -> Option<u64> {
    let text = text("/proc/net/sockstat");
    let mut fields = text.lines().find_map(|line| line.strip_prefix("TCP:"))?.split_whitespace();
    fields.find(|field| *field == key)?;
    fields.next()?.parse().ok()
}

/// Whether the release of a Linux kernel is this version or a later one.
fn linux_since(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    matches!((numbers.next(), numbers.next()),
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= version)
}

fn conntrack() -> Option<Usage> {
    Some(Usage {
        used: sysctl("net/netfilter/nf_conntrack_count", 0)?,
        max: sysctl("net/netfilter/nf_conntrack_max", 0)?,
    })
}

fn tcp_memory() -> Option<TcpMemory> {
    let pages = |index| sysctl("net/ipv4/tcp_mem", index);
    Some(TcpMemory { used: sockstat("mem")?, pressure: pages(1)?, high: pages(2)? })
}

fn memory() -> Option<u64> {
    let text = text("/proc/meminfo");
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// The tightest limit on `what` of this process's control group (version 2) and those above it.
fn group(what: &str) -> Option<Usage> {
    let groups = text("/proc/self/cgroup");
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let number = |path: PathBuf| text(path).trim().parse().ok();
    Path::new("/sys/fs/cgroup")
        .join(path)
        .ancestors()
        .take_while(|folder| folder.starts_with("/sys/fs/cgroup"))
        .filter_map(|folder| {
            // Without a limit it says `max`.
            let max = number(folder.join(format!("{what}.max")))?;
            Some(Usage { used: number(folder.join(format!("{what}.current")))?, max })
        })
        .min_by_key(|usage| usage.room())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for (release, since) in [
            ("6.8.0-31-generic\n", true),
            ("6.18.44", true),
            ("7.0-rc1", true),
            ("6.7.12", false),
            ("5.15.0", false),
            ("", false),
        ] {
            assert_eq!(linux_since(release, (6, 8)), since, "{release}");
        }
    }
}
