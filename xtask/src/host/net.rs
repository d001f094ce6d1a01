//! What the kernel's network stack says of itself.

use std::ops::RangeInclusive;

use super::{read, sysctl};

/// Connections that the kernel has dropped since boot because an accept queue was full. Host-wide,
/// as the kernel has no such counter per socket.
pub fn listen_overflows() -> Option<u64> {
    counter(&read("/proc/net/netstat")?, "TcpExt:", "ListenOverflows")
}

/// The ports that outgoing connections are given.
pub fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    let text = sysctl("net.ipv4.ip_local_port_range")?;
    let (first, last) = text.split_once(' ')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// `/proc/net/netstat` has, for each group, a line of names and then a line of values.
fn counter(netstat: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter(|line| line.starts_with(group));
    let names = lines.next()?.split_whitespace();
    let values = lines.next()?.split_whitespace();
    let (_, value) = names.zip(values).find(|(candidate, _)| *candidate == name)?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_group_and_name() {
        let netstat = "TcpExt: A ListenOverflows B\nTcpExt: 1 7 2\nIpExt: B\nIpExt: 9\n";
        assert_eq!(counter(netstat, "TcpExt:", "ListenOverflows"), Some(7));
        assert_eq!(counter(netstat, "IpExt:", "B"), Some(9));
        assert_eq!(counter(netstat, "IpExt:", "A"), None);
        assert_eq!(counter("", "TcpExt:", "A"), None);
    }
}
