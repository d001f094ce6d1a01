//! A demand against a host: every limit that would be hit, and what raises or avoids it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;

use super::demand::Route;
use super::{Demand, Host, Ports, RESERVE, TcpMemory, TimeWait, WINDOW};
use crate::source;

/// What one end of a connection with a small request in flight takes of the kernel's memory, in
/// bytes: file, inode, socket, event registration, and what waits in the queues. Measured, both ends
/// on one host, by `cargo bench -p driver --bench crowd` on 64-bit Linux 6.18: 9.4 KiB a connection
/// at 100,000, up to 11.8 KiB at 10,000.
const KERNEL_MEMORY_PER_END: u64 = 6 * 1024;

/// What a connection takes of the driver's own memory, in bytes; from the same measurement, 0.22 KiB
/// at 100,000 and, as buffers and histograms count then, 0.53 KiB at 10,000.
const OWN_MEMORY_PER_CONNECTION: u64 = 512;

/// Pages that the kernel counts for one end of a connection with a small request in flight, at most:
/// one while something waits there to be acknowledged or to be read. The same measurement has 1.1
/// pages a connection at 100,000 and 2.0 at 10,000.
const TCP_PAGES_PER_END: u64 = 1;

/// A limit of this host that the asked-for load would hit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error(
        "descriptors: {connections} connections over {threads} thread{} need {needed} descriptors \
         in one table, and the hard limit is {hard}.\n  {advice}\n  To raise the limit: {}`ulimit \
         -Hn {needed}` as root, LimitNOFILE= in a systemd unit, or /etc/security/limits.conf.",
        if *.threads == 1 { "" } else { "s" },
        match .nr_open {
            Some(nr_open) if needed > nr_open => format!("`sysctl fs.nr_open={needed}`, then "),
            _ => String::new(),
        }
    )]
    Descriptors {
        connections: u32,
        threads: u32,
        needed: u64,
        hard: u64,
        nr_open: Option<u64>,
        advice: String,
    },
    #[error(
        "open files: {needed} more are needed, and of the {max} that all processes may have, {used} \
         are open.\n  To raise the limit: `sysctl fs.file-max={}`.",
        needed + used
    )]
    Files { needed: u64, used: u64, max: u64 },
    #[error(
        "ports: {needed} connections {route} need more than the {usable} local ports that the host \
         has for it ({ports}{}).\n  {advice}",
        if ports.reserved.is_empty() { "" } else { ", less net.ipv4.ip_local_reserved_ports" }
    )]
    Ports { route: Route, needed: u64, usable: u64, ports: Ports, advice: String },
    #[error(
        "ports: {waiting} connections that were closed within the last minute still have theirs, \
         and {needed} of {usable} are needed for connections {route}.\n  Wait a minute, or let them \
         be used again: `sysctl net.ipv4.tcp_tw_reuse=1`."
    )]
    TimeWait { route: Route, needed: u64, usable: u64, waiting: u64 },
    #[error(
        "ports: {needed} connections {route} take more than half of the {usable} local ports that \
         the host has for it. Before version 6.8 the kernel looks for a free port among the even ones first, one by \
         one, and so may need a millisecond for each connection that gets an odd one.\n  {advice}"
    )]
    SlowPorts { route: Route, needed: u64, usable: u64, advice: String },
    #[error(
        "source: connections cannot come from {source_address}{}: {reason}.\n  Name addresses of \
         this host (`ip -brief address` lists them), or add it: `ip address add {source_address} \
         dev lo`.",
        match .others {
            0 => String::new(),
            others => format!(" and {others} more"),
        }
    )]
    Source { source_address: IpAddr, reason: String, others: usize },
    #[error(
        "backlog: no server of this host can have more than {somaxconn} connections waiting to be \
         accepted, and {window} are opened at a time; some may take a second longer.\n  To raise \
         the limit: `sysctl net.core.somaxconn=4096`, and the server's own backlog."
    )]
    Backlog { somaxconn: u64, window: u64 },
    #[error(
        "conntrack: {needed} more connections to track, and {used} of {max} are tracked already; \
         the packets of the rest are dropped.\n  To raise the limit: `sysctl \
         net.netfilter.nf_conntrack_max={}`.",
        needed + used
    )]
    Conntrack { needed: u64, used: u64, max: u64 },
    #[error(
        "TCP memory: the connections' queues need about {needed} pages, and {used} are used already \
         of {pressure}, where the kernel saves, and {high}, where it drops.\n  To raise the limits: \
         `sysctl net.ipv4.tcp_mem=\"{0} {0} {1}\"`.",
        needed + used, (needed + used) * 3 / 2
    )]
    TcpMemory { least: u64, needed: u64, used: u64, pressure: u64, high: u64 },
    #[error(
        "event registrations: {needed} are needed, and one user may have {max}.\n  To raise the \
         limit: `sysctl fs.epoll.max_user_watches={}`.",
        needed * 2
    )]
    Watches { needed: u64, max: u64 },
    #[error(
        "memory: the connections need about {} MiB, and {} MiB can be had{}.\n  Ask for {fitting} \
         connections or fewer, or {}.",
        needed >> 20, available >> 20,
        if *.group { " in this control group (memory.max)" } else { "" },
        if *.group { "raise its memory.max" } else { "take a larger machine" }
    )]
    Memory { needed: u64, available: u64, fitting: u64, group: bool },
    #[error(
        "threads: {needed} are needed, and this control group may have {room} more \
         (pids.max).\n  Use a smaller `-t`, or raise its pids.max."
    )]
    Tasks { needed: u64, room: u64 },
}

impl Limit {
    /// Whether the load is impossible; else it may do worse than it could.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Descriptors { .. }
            | Self::Files { .. }
            | Self::Ports { .. }
            | Self::Source { .. }
            | Self::Watches { .. }
            | Self::Tasks { .. } => true,
            // Where nothing is tracked, that is so because no rule asks for it.
            Self::Conntrack { used, .. } => *used > 0,
            Self::TcpMemory { least, used, high, .. } => least + used > *high,
            Self::TimeWait { .. }
            | Self::SlowPorts { .. }
            | Self::Backlog { .. }
            | Self::Memory { .. } => false,
        }
    }
}

/// Every limit of `host` that `demand` would hit.
pub fn check(host: &Host, demand: &Demand) -> Vec<Limit> {
    let mut limits = Vec::new();
    limits.extend(descriptors(host, demand));
    limits.extend(files(host, demand));
    limits.extend(sources(host));
    limits.extend(ports(host, demand));
    limits.extend(time_wait(host, demand));
    limits.extend(backlog(host, demand));
    limits.extend(conntrack(host, demand));
    limits.extend(tcp_memory(host, demand));
    limits.extend(watches(host, demand));
    limits.extend(memory(host, demand));
    limits.extend(tasks(host, demand));
    limits
}

fn descriptors(host: &Host, demand: &Demand) -> Option<Limit> {
    let Demand { connections, threads, .. } = *demand;
    let room = host.descriptors.saturating_sub(RESERVE);
    let tables = if host.table_per_thread { threads.max(1) } else { 1 };
    let in_one_table = u64::from(connections.div_ceil(tables));
    (in_one_table > room).then(|| Limit::Descriptors {
        connections,
        threads,
        needed: in_one_table + RESERVE,
        hard: host.descriptors,
        nr_open: host.nr_open,
        advice: if host.table_per_thread && room > 0 {
            let threads = u64::from(connections).div_ceil(room);
            format!("Each thread has a table of its own, so `-t {threads}` would do.")
        } else {
            format!("At most {room} connections fit.")
        },
    })
}

fn files(host: &Host, demand: &Demand) -> Option<Limit> {
    let files = host.files?;
    let needed = demand.ends();
    (needed > files.room()).then_some(Limit::Files { needed, used: files.used, max: files.max })
}

fn sources(host: &Host) -> Option<Limit> {
    let (source_address, reason) = host.refused_sources.first()?.clone();
    Some(Limit::Source { source_address, reason, others: host.refused_sources.len() - 1 })
}

fn ports(host: &Host, demand: &Demand) -> Option<Limit> {
    let ports = host.ports.as_ref()?;
    let listening = demand.listening();
    let usable = ports.usable(&listening);
    let widest = ports.with_range(Ports::WIDEST).usable(&listening);
    let (route, needed) = busiest(demand)?;
    // An older kernel tries all ports of one parity before it comes to the others.
    let quick = |usable: u64| if host.quick_ports { usable } else { usable.div_ceil(2) };
    if needed > usable {
        let advice = more_ports(demand, quick(usable), needed <= widest);
        Some(Limit::Ports { route, needed, usable, ports: ports.clone(), advice })
    } else if needed > quick(usable) {
        let advice = more_ports(demand, quick(usable), needed <= quick(widest));
        Some(Limit::SlowPorts { route, needed, usable, advice })
    } else {
        None
    }
}

/// The route with most connections, and how many these are.
fn busiest(demand: &Demand) -> Option<(Route, u64)> {
    demand.routes().into_iter().max_by_key(|(_, count)| *count)
}

/// What to do when each route is to have no more than `room` connections; `widen` when a wider range
/// of ports would do.
fn more_ports(demand: &Demand, room: u64, widen: bool) -> String {
    let mut ways = Vec::new();
    if let Some(sources) = sources_needed(demand, room) {
        let v4_loopback = |target: &SocketAddr| target.is_ipv4() && target.ip().is_loopback();
        ways.push(if demand.targets.iter().all(v4_loopback) {
            let last = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + sources - 1);
            format!("use `--source {}-{last}`", Ipv4Addr::LOCALHOST)
        } else {
            format!("name {sources} addresses of this host with `--source`")
        });
    }
    ways.push("name more targets (other ports or addresses of the same server)".into());
    if widen {
        let (first, last) = Ports::WIDEST.into_inner();
        ways.push(format!(
            "widen the range: `sysctl net.ipv4.ip_local_port_range=\"{first} {last}\"`"
        ));
    }
    let advice = ways.join(", or ");
    let (initial, rest) = advice.split_at(1);
    format!("{}{rest}.", initial.to_uppercase())
}

fn time_wait(host: &Host, demand: &Demand) -> Option<Limit> {
    let usable = host.ports.as_ref()?.usable(&demand.listening());
    let (route, needed) = busiest(demand)?;
    let TimeWait { ports: waiting, reuse } = host.time_wait?;
    let used_again = reuse == 1 || (reuse == 2 && route.target.ip().is_loopback());
    // More than there are is not what these connections are to blame for.
    let short = needed <= usable && needed + waiting > usable;
    (short && !used_again).then_some(Limit::TimeWait { route, needed, usable, waiting })
}

/// Sources that leave each route no more than `room` connections; `None` when no number of them
/// would, or only more than one `--source` can name.
fn sources_needed(demand: &Demand, room: u64) -> Option<u32> {
    let times = |target| demand.targets.iter().filter(|other| *other == target).count();
    let most_times = demand.targets.iter().map(times).max()? as u64;
    let to_one_target = u64::from(demand.connections).div_ceil(demand.targets.len() as u64);
    let to_one_source = NonZero::new(room / most_times)?.get();
    let sources = u32::try_from(to_one_target.div_ceil(to_one_source)).ok()?;
    (sources <= source::MOST).then_some(sources)
}

fn backlog(host: &Host, demand: &Demand) -> Option<Limit> {
    let somaxconn = host.somaxconn?;
    let window = u64::from(demand.connections.min(WINDOW));
    let here = !demand.listening().is_empty();
    (here && somaxconn < window).then_some(Limit::Backlog { somaxconn, window })
}

fn conntrack(host: &Host, demand: &Demand) -> Option<Limit> {
    let tracked = host.conntrack?;
    let needed = u64::from(demand.connections);
    (needed > tracked.room()).then_some(Limit::Conntrack {
        needed,
        used: tracked.used,
        max: tracked.max,
    })
}

fn tcp_memory(host: &Host, demand: &Demand) -> Option<Limit> {
    let TcpMemory { used, pressure, high } = host.tcp_memory?;
    let needed = demand.ends() * TCP_PAGES_PER_END;
    // Where both ends are here, what is in flight always waits at one of them.
    let least = (demand.ends() - u64::from(demand.connections)) * TCP_PAGES_PER_END;
    (used + needed > pressure).then_some(Limit::TcpMemory { least, needed, used, pressure, high })
}

fn watches(host: &Host, demand: &Demand) -> Option<Limit> {
    let needed = u64::from(demand.connections);
    let max = host.watches?;
    (needed > max).then_some(Limit::Watches { needed, max })
}

/// The tighter of the host's memory and the control group's.
fn memory(host: &Host, demand: &Demand) -> Option<Limit> {
    let of_group = host.group_memory.map(|usage| (usage.room(), true));
    let of_host = host.memory.map(|available| (available, false));
    let (available, group) = of_group.into_iter().chain(of_host).min()?;
    let connections = u64::from(demand.connections);
    let needed = demand.ends() * KERNEL_MEMORY_PER_END + connections * OWN_MEMORY_PER_CONNECTION;
    (needed > available).then(|| {
        let fitting = (u128::from(connections) * u128::from(available) / u128::from(needed)) as u64;
        Limit::Memory { needed, available, fitting, group }
    })
}

fn tasks(host: &Host, demand: &Demand) -> Option<Limit> {
    let room = host.group_tasks?.room();
    let needed = u64::from(demand.threads);
    (needed > room).then_some(Limit::Tasks { needed, room })
}

#[cfg(test)]
mod tests;
