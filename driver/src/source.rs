//! Local addresses to connect from, and which connection has which.
//!
//! A port is free or taken for each pair of a local and a remote address, so that every further
//! source address is room for as many connections again.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that one range may hold: each is tried before a run.
pub const MOST: u32 = 65_536;

/// An address, or a range of them with both ends included: `127.0.0.2-127.0.0.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRange {
    first: IpAddr,
    last: IpAddr,
}

impl SourceRange {
    /// All of them, in order.
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.first.is_ipv4();
        (bits(self.first)..=bits(self.last)).map(move |bits| {
            if v4 {
                // The ends have 32 bits, so what is between them has no more.
                Ipv4Addr::from_bits(bits as u32).into()
            } else {
                Ipv6Addr::from_bits(bits).into()
            }
        })
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl fmt::Display for SourceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last == self.first { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

impl FromStr for SourceRange {
    /// What would be right, for a person.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |text: &str| {
            text.trim().parse::<IpAddr>().map_err(|_| {
                format!("`{text}` is not an IP address; say e.g. 127.0.0.2 or 127.0.0.2-127.0.0.9")
            })
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (address(first)?, address(last)?),
            None => (address(text)?, address(text)?),
        };
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err("a range goes from a lower to a higher address of the same kind".into());
        }
        if bits(last) - bits(first) >= MOST.into() {
            return Err(format!("a range holds at most {MOST} addresses"));
        }
        Ok(Self { first, last })
    }
}

/// The target of connection `connection`, counted over all threads.
pub fn target_of(connection: usize, targets: usize) -> usize {
    connection % targets.max(1)
}

/// Where connection `connection`, counted over all threads, comes from; `None` leaves it to the
/// kernel. All targets have their turn before the next source has, so that each pair of the two
/// gets as many connections as any other.
pub fn source_of(connection: usize, targets: usize, sources: &[IpAddr]) -> Option<IpAddr> {
    let turn = connection / targets.max(1);
    sources.get(turn.checked_rem(sources.len())?).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        let range: SourceRange = text.parse().unwrap();
        range.addresses().map(|address| address.to_string()).collect()
    }

    #[test]
    fn a_source_is_an_address_or_a_range() {
        assert_eq!(addresses("127.0.0.2"), ["127.0.0.2"]);
        assert_eq!(addresses("127.0.0.255-127.0.1.1"), ["127.0.0.255", "127.0.1.0", "127.0.1.1"]);
        assert_eq!(addresses("255.255.255.255"), ["255.255.255.255"]);
        assert_eq!(addresses("::1"), ["::1"]);
        assert_eq!(addresses("fd00::ffff - fd00::1:0"), ["fd00::ffff", "fd00::1:0"]);
        assert_eq!(addresses("10.0.0.0-10.0.255.255").len(), 65_536);
    }

    #[test]
    fn what_is_no_range_of_addresses_is_refused() {
        for text in ["", "-", "localhost", "127.0.0.1:80", "127.0.0.2-127.0.0.1", "127.0.0.1-::1"] {
            assert!(text.parse::<SourceRange>().is_err(), "{text}");
        }
        assert!("127.0.0.0-127.1.0.0".parse::<SourceRange>().is_err());
        assert!("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse::<SourceRange>().is_err());
    }

    #[test]
    fn each_source_and_target_get_the_same_number_of_connections() {
        let sources: Vec<IpAddr> =
            "10.0.0.1-10.0.0.4".parse::<SourceRange>().unwrap().addresses().collect();
        for targets in [1, 2, 3, 4, 6] {
            let mut counts = BTreeMap::new();
            for connection in 0..targets * sources.len() * 5 {
                let pair =
                    (target_of(connection, targets), source_of(connection, targets, &sources));
                *counts.entry(pair).or_insert(0) += 1;
            }
            assert_eq!(counts.len(), targets * sources.len());
            assert!(counts.values().all(|count| *count == 5), "{counts:?}");
        }
    }

    #[test]
    fn without_sources_the_kernel_chooses() {
        assert_eq!(source_of(7, 2, &[]), None);
    }
}
