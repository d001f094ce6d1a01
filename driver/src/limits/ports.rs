//! The local ports that the kernel gives to connecting sockets.

use std::fmt;
use std::ops::RangeInclusive;

/// A range of ports, both ends included, less those that are reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    pub range: RangeInclusive<u16>,
    pub reserved: Vec<RangeInclusive<u16>>,
}

impl Ports {
    /// The widest range that can be asked for without root's own ports.
    pub const WIDEST: RangeInclusive<u16> = 1024..=65535;

    /// From `net.ipv4.ip_local_port_range` and `net.ipv4.ip_local_reserved_ports`; `None` when the
    /// first is not a range.
    pub fn parse(range: &str, reserved: &str) -> Option<Self> {
        let mut ends = range.split_whitespace().map(str::parse);
        let (Some(Ok(first)), Some(Ok(last))) = (ends.next(), ends.next()) else { return None };
        let reserved = reserved.trim().split(',').filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        });
        Some(Self { range: first..=last, reserved: reserved.collect() })
    }

    /// The same host with another range.
    pub fn with_range(&self, range: RangeInclusive<u16>) -> Self {
        Self { range, reserved: self.reserved.clone() }
    }

    /// Ports that a connection can have when servers of this host listen on `listening`: a port
    /// that a socket was bound to is given to no connection, wherever that one goes.
    pub fn usable(&self, listening: &[u16]) -> u64 {
        let free = |port: &u16| {
            !listening.contains(port) && !self.reserved.iter().any(|range| range.contains(port))
        };
        self.range.clone().filter(free).count() as u64
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.range.start(), self.range.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_listening_ports_count_once() {
        let ports = Ports::parse("100\t199\n", "50,90-109,150,190-250\n").unwrap();
        assert_eq!(ports.usable(&[]), 100 - 10 - 1 - 10);
        assert_eq!(ports.usable(&[80, 105, 120]), 100 - 10 - 1 - 10 - 1);
    }

    #[test]
    fn no_reserved_ports_is_an_empty_line() {
        assert_eq!(Ports::parse("32768\t60999\n", "\n").unwrap().usable(&[]), 28_232);
    }

    #[test]
    fn what_is_no_range_is_none_and_an_inverted_one_is_empty() {
        assert_eq!(Ports::parse("", ""), None);
        assert_eq!(Ports::parse("1 99999", ""), None);
        assert_eq!(Ports::parse("200 100", "").unwrap().usable(&[]), 0);
    }
}
