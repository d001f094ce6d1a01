//! A port for a server to listen on.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use crate::host::net::ephemeral_ports;

/// Below it are the ports that people give to services.
const LOWEST: u16 = 10_000;
/// Linux's own default, for a host that does not say.
const USUAL_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// A port that is free now and is none of `taken`. `None` when all are in use.
///
/// Another program can take it before the server does, so that the server's failure to listen must
/// be expected. Our own client sockets cannot: the port is outside the range they come from.
pub fn free(taken: &[u16]) -> Option<u16> {
    let range = candidates(&ephemeral_ports().unwrap_or(USUAL_EPHEMERAL));
    let (first, count) = (*range.start(), range.len() as u16);
    // From a random one on, so that a server does not meet the last one's closing connections.
    let offset = fastrand::u16(0..count);
    (0..count)
        .map(|step| first + (u32::from(offset) + u32::from(step)).rem_euclid(count.into()) as u16)
        .find(|port| !taken.contains(port) && is_free(*port))
}

/// Whether a server could listen on it.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Below the ephemeral ports, else above them, else (they are nearly all) any.
fn candidates(ephemeral: &RangeInclusive<u16>) -> RangeInclusive<u16> {
    /// With fewer, one that another program has is met too often.
    const ENOUGH: usize = 1_000;
    let below = LOWEST..=ephemeral.start().saturating_sub(1);
    let above = ephemeral.end().saturating_add(1).max(LOWEST)..=u16::MAX;
    [below, above].into_iter().find(|range| range.len() >= ENOUGH).unwrap_or(LOWEST..=u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_outside_the_ephemeral_range_where_there_is_room() {
        for (ephemeral, expected) in [
            (32_768..=60_999, 10_000..=32_767),
            (10_500..=50_000, 50_001..=65_535),
            (1_024..=65_535, 10_000..=65_535),
            (1_024..=5_000, 10_000..=65_535),
        ] {
            assert_eq!(candidates(&ephemeral), expected, "{ephemeral:?}");
        }
    }

    #[test]
    fn a_listener_makes_its_port_taken() {
        let port = free(&[]).expect("some port is free");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
        assert!(!is_free(port));
        drop(listener);
    }
}
