//! What a load needs of the host.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::source::{source_of, target_of};

/// The connections of one run: how many, over how many threads, from where to where.
#[derive(Clone, Debug)]
pub struct Demand {
    pub connections: u32,
    pub threads: u32,
    /// In the order in which the connections use them; one may be there more than once.
    pub targets: Vec<SocketAddr>,
    /// The same; none leaves the choice to the kernel.
    pub sources: Arc<[IpAddr]>,
}

/// Both ends of a connection but for the local port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub source: Option<IpAddr>,
    pub target: SocketAddr,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = self.source {
            write!(f, "from {source} ")?;
        }
        write!(f, "to {}", self.target)
    }
}

impl Demand {
    /// Connections of each route.
    pub fn routes(&self) -> BTreeMap<Route, u64> {
        let mut routes = BTreeMap::new();
        let (targets, sources) = (self.targets.len(), &self.sources);
        // After so many connections, their routes come again in the same order.
        let period = (targets.max(1) * sources.len().max(1)) as u64;
        let connections = u64::from(self.connections);
        for first in 0..period.min(connections) {
            let Some(target) = self.targets.get(target_of(first as usize, targets)) else { break };
            let source = source_of(first as usize, targets, sources);
            *routes.entry(Route { source, target: *target }).or_default() +=
                (connections - first).div_ceil(period);
        }
        routes
    }

    /// Ports that servers of this host listen on, as far as the targets tell.
    pub fn listening(&self) -> Vec<u16> {
        let here = self.targets.iter().filter(|target| target.ip().is_loopback());
        here.map(SocketAddr::port).collect()
    }

    /// Ends of connections that are on this host: both of those to a loopback address.
    pub fn ends(&self) -> u64 {
        let here = |(route, count): (Route, u64)| {
            if route.target.ip().is_loopback() { 2 * count } else { count }
        };
        self.routes().into_iter().map(here).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(connections: u32, targets: &[&str], sources: &[&str]) -> Demand {
        Demand {
            connections,
            threads: 1,
            targets: targets.iter().map(|target| target.parse().unwrap()).collect(),
            sources: sources.iter().map(|source| source.parse().unwrap()).collect(),
        }
    }

    fn counts(demand: &Demand) -> Vec<(String, u64)> {
        demand.routes().into_iter().map(|(route, count)| (route.to_string(), count)).collect()
    }

    #[test]
    fn connections_add_up_where_targets_share_an_address() {
        let targets = ["127.0.0.1:81", "127.0.0.1:82", "127.0.0.1:81"];
        assert_eq!(
            counts(&demand(11, &targets, &[])),
            [("to 127.0.0.1:81".into(), 4 + 3), ("to 127.0.0.1:82".into(), 4)]
        );
        assert_eq!(counts(&demand(1, &targets, &[])), [("to 127.0.0.1:81".into(), 1)]);
    }

    #[test]
    fn a_count_is_what_the_connections_one_by_one_come_to() {
        let demand =
            demand(17, &["127.0.0.1:81", "127.0.0.1:82"], &["10.0.0.1", "10.0.0.2", "10.0.0.1"]);
        let mut expected = BTreeMap::new();
        for connection in 0..17 {
            let route = Route {
                source: source_of(connection, 2, &demand.sources),
                target: demand.targets[target_of(connection, 2)],
            };
            *expected.entry(route).or_insert(0) += 1;
        }
        assert_eq!(demand.routes(), expected);
    }

    #[test]
    fn both_ends_of_a_loopback_connection_are_here() {
        assert_eq!(demand(5, &["127.0.0.1:81", "[::1]:82"], &[]).ends(), 10);
        assert_eq!(demand(5, &["127.0.0.1:81", "192.0.2.1:80"], &[]).ends(), 8);
        assert_eq!(demand(5, &["127.0.0.1:81", "192.0.2.1:80"], &[]).listening(), [81]);
    }
}
