//! Which samples a run takes, and in which order.

use std::time::Duration;

use crate::config::manifest::Manifest;
use crate::config::suite::Suite;
use crate::results::record::{Cell, Options, Step};

/// Starting and ending a server, and the driver, around the load itself.
const OVERHEAD: Duration = Duration::from_millis(250);
/// Opening a connection, having it answered once, and closing it, on both sides.
const PER_CONNECTION: Duration = Duration::from_micros(60);

/// Every cell of the suite: variants × connections × server threads.
pub fn cells(suite: &Suite, servers: &[Manifest]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &connections in &suite.connections {
        for &threads in &suite.threads {
            for server in servers {
                for variant in &server.variants {
                    cells.push(Cell {
                        server: server.name.clone(),
                        variant: variant.name.clone(),
                        scenario: suite.scenario.clone(),
                        connections,
                        threads,
                    });
                }
            }
        }
    }
    cells
}

/// `rounds` passes over the cells, each in an order of its own that is drawn from `seed`: what
/// drifts over a run (temperature, neighbours, memory) then falls on all variants alike.
pub fn order(cells: &[Cell], rounds: u32, seed: u64) -> Vec<Step> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut steps = Vec::with_capacity(cells.len().saturating_mul(rounds as usize));
    for round in 1..=rounds {
        let mut cells = cells.to_vec();
        random.shuffle(&mut cells);
        steps.extend(cells.into_iter().map(|cell| Step { round, cell }));
    }
    steps
}

/// About how long the steps take.
pub fn estimate<'a>(steps: impl IntoIterator<Item = &'a Step>, options: &Options) -> Duration {
    let load = Duration::from_secs_f64(options.warmup_s + options.duration_s);
    steps.into_iter().map(|step| load + OVERHEAD + PER_CONNECTION * step.cell.connections).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn cells(count: u32) -> Vec<Cell> {
        let cell = |index| Cell {
            server: format!("server-{index}"),
            variant: "json".into(),
            scenario: "ping".into(),
            connections: 2,
            threads: 1,
        };
        (0..count).map(cell).collect()
    }

    #[test]
    fn the_order_is_decided_by_the_seed() {
        let cells = cells(24);
        assert_eq!(order(&cells, 6, 7), order(&cells, 6, 7));
        assert_ne!(order(&cells, 6, 7), order(&cells, 6, 8));
    }

    #[test]
    fn rounds_have_orders_of_their_own() {
        let steps = order(&cells(24), 2, 1);
        let names =
            |steps: &[Step]| steps.iter().map(|s| s.cell.server.clone()).collect::<Vec<_>>();
        assert_ne!(names(&steps[..24]), names(&steps[24..]));
    }

    proptest! {
        #[test]
        fn every_round_has_every_cell_once(count in 0..30u32, rounds in 0..8u32, seed: u64) {
            let cells = cells(count);
            let steps = order(&cells, rounds, seed);
            prop_assert_eq!(steps.len(), (count * rounds) as usize);
            for (index, pass) in steps.chunks(count.max(1) as usize).enumerate() {
                let seen: HashSet<_> = pass.iter().map(|step| &step.cell).collect();
                prop_assert_eq!(seen.len(), cells.len());
                prop_assert!(pass.iter().all(|step| step.round as usize == index + 1));
            }
        }
    }
}
