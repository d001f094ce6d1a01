//! Which CPUs the servers get and which the driver gets.
//!
//! The unit is the physical core: two threads of one core compete for its execution units, so a
//! driver on a server's sibling would slow the server down and be invisible in every figure.

use serde::{Deserialize, Serialize};

use crate::text::plural;

/// From this many CPUs on, a core is left to the kernel's interrupts and the harness.
const CPUS_TO_SPARE_ONE: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// CPU numbers of the server's processes.
    pub server: Vec<usize>,
    /// CPU numbers of the driver's threads.
    pub driver: Vec<usize>,
    /// What a reader must know, e.g. that there is one CPU and both share it.
    pub warnings: Vec<String>,
}

impl Placement {
    /// Divides the `allowed` CPUs between a server with `server_threads` threads and the driver.
    ///
    /// `cores` lists the CPUs of each physical core; an allowed CPU that is in none counts as a
    /// core. The server gets a CPU for each thread, and the driver none of the same cores; the
    /// driver gets the rest, at least one core. The first core is left free when there are enough.
    pub fn new(allowed: &[usize], cores: &[Vec<usize>], server_threads: u32) -> Self {
        let cores = allowed_cores(allowed, cores);
        let threads = server_threads as usize;
        let mut warnings = Vec::new();
        let (server, driver) = match cores.as_slice() {
            [] | [_] => {
                warnings.push(
                    "SERVER AND DRIVER SHARE ONE CORE: each slows the other down, so the figures \
                     say little about the server alone; allow two cores or more"
                        .to_owned(),
                );
                (cores.concat(), cores.concat())
            }
            _ => divide(&cores, threads),
        };
        if threads > server.len() {
            warnings.push(format!(
                "{threads} server threads share {}; allow more CPUs or ask for fewer threads",
                plural(server.len() as f64, "CPU"),
            ));
        }
        Self { server, driver, warnings }
    }
}

/// The allowed CPUs, grouped by core, in the order of each core's first CPU.
fn allowed_cores(allowed: &[usize], cores: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut left = allowed.to_vec();
    left.sort_unstable();
    left.dedup();
    let mut groups = Vec::new();
    while let Some(first) = left.first().copied() {
        let siblings = cores.iter().find(|core| core.contains(&first));
        let (group, others) = left
            .into_iter()
            .partition(|cpu| *cpu == first || siblings.is_some_and(|core| core.contains(cpu)));
        groups.push(group);
        left = others;
    }
    groups
}

/// At least two cores.
fn divide(cores: &[Vec<usize>], threads: usize) -> (Vec<usize>, Vec<usize>) {
    let mut taken = 0;
    let needed = cores
        .iter()
        .position(|core| {
            taken += core.len();
            taken >= threads
        })
        .map_or(cores.len(), |last| last + 1);
    let cpus: usize = cores.iter().map(Vec::len).sum();
    // A core is spared only when that costs neither side one it needs.
    let spare = usize::from(cpus >= CPUS_TO_SPARE_ONE && needed + 2 <= cores.len());
    let server_cores = needed.min(cores.len() - 1 - spare);
    let (server, driver) = cores[spare..].split_at(server_cores);
    let mut server = server.concat();
    // A sibling that is left over stays idle: a second CPU would help a server of one thread.
    server.truncate(threads.max(1));
    (server, driver.concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single(cpus: usize) -> Vec<Vec<usize>> {
        (0..cpus).map(|cpu| vec![cpu]).collect()
    }

    /// Siblings numbered as Linux does it: CPU `n` and CPU `n + cores`.
    fn double(cores: usize) -> Vec<Vec<usize>> {
        (0..cores).map(|core| vec![core, core + cores]).collect()
    }

    #[test]
    fn usual_machines() {
        type Cpus = &'static [usize];
        type Machine = (Cpus, Vec<Vec<usize>>);
        let table: [(Machine, u32, Cpus, Cpus); 9] = [
            ((&[0, 1], single(2)), 1, &[0], &[1]),
            ((&[0, 1, 2], single(3)), 1, &[0], &[1, 2]),
            ((&[0, 1, 2, 3], single(4)), 1, &[1], &[2, 3]),
            ((&[0, 1, 2, 3], single(4)), 2, &[1, 2], &[3]),
            ((&[0, 1, 2, 3], single(4)), 3, &[0, 1, 2], &[3]),
            ((&[0, 1, 2, 3], double(2)), 1, &[0], &[1, 3]),
            ((&[0, 1, 2, 3, 4, 5, 6, 7], double(4)), 1, &[1], &[2, 6, 3, 7]),
            ((&[2, 5], single(8)), 1, &[2], &[5]),
            ((&[0, 1], vec![]), 1, &[0], &[1]),
        ];
        for ((allowed, cores), threads, server, driver) in table {
            let placement = Placement::new(allowed, &cores, threads);
            assert_eq!((&*placement.server, &*placement.driver), (server, driver));
            assert!(placement.warnings.is_empty(), "{placement:?}");
        }
    }

    #[test]
    fn one_core_is_shared_and_said_loudly() {
        for (allowed, cores) in [(vec![3], single(4)), (vec![0, 1], vec![vec![0, 1]])] {
            let placement = Placement::new(&allowed, &cores, 1);
            assert_eq!(placement.server, allowed);
            assert_eq!(placement.driver, allowed);
            assert!(placement.warnings[0].contains("SHARE ONE CORE"));
        }
    }

    #[test]
    fn more_threads_than_cpus_is_a_warning() {
        let placement = Placement::new(&[0, 1, 2, 3], &single(4), 8);
        assert_eq!(placement.server, [0, 1, 2]);
        assert_eq!(
            placement.warnings,
            ["8 server threads share 3 CPUs; allow more CPUs or ask for fewer threads"]
        );
    }

    proptest! {
        #[test]
        fn sides_are_allowed_disjoint_and_never_split_a_core(
            allowed in proptest::collection::btree_set(0_usize..16, 1..16),
            smt in any::<bool>(),
            threads in 1_u32..20,
        ) {
            let cores = if smt { double(8) } else { single(16) };
            let allowed: Vec<usize> = allowed.into_iter().collect();
            let placement = Placement::new(&allowed, &cores, threads);
            prop_assert!(!placement.server.is_empty() && !placement.driver.is_empty());
            for cpu in placement.server.iter().chain(&placement.driver) {
                prop_assert!(allowed.contains(cpu));
            }
            let touched = |side: &[usize]| -> Vec<usize> {
                (0..cores.len())
                    .filter(|core| cores[*core].iter().any(|cpu| side.contains(cpu)))
                    .collect()
            };
            let (server, driver) = (touched(&placement.server), touched(&placement.driver));
            let shared = server.iter().any(|core| driver.contains(core));
            prop_assert_eq!(shared, touched(&allowed).len() == 1);
        }
    }
}
