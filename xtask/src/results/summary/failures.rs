//! What could not be measured.

use super::display;
use crate::results::record::{Cell, Outcome, Problem, Run, Sample, Server};

/// One problem, and everything it kept from being measured.
#[derive(Clone, Debug)]
pub struct Failure {
    /// A server or a variant of it.
    pub of: String,
    /// The level, when it is of one level only.
    pub connections: Option<u32>,
    /// Empty when nothing of it was measured in any round.
    pub rounds: Vec<u32>,
    pub problem: Problem,
}

/// Servers and variants that were left out before the first round.
pub fn not_measured(run: &Run) -> Vec<Failure> {
    let failure = |of: String, problem: &Option<Problem>| {
        problem.as_ref().map(|problem| Failure {
            of,
            connections: None,
            rounds: Vec::new(),
            problem: problem.clone(),
        })
    };
    let of_server = |server: &Server| {
        let variants = server
            .variants
            .iter()
            .filter_map(|v| failure(display(run, &server.name, &v.name), &v.problem));
        failure(server.display.clone(), &server.problem)
            .into_iter()
            .chain(variants)
            .collect::<Vec<_>>()
    };
    run.servers.iter().flat_map(of_server).collect()
}

/// The failed samples of one cell; the same problem in several rounds is told once.
pub fn failed_samples(run: &Run, cell: &Cell, samples: &[Option<&Sample>]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for sample in samples.iter().flatten() {
        let Outcome::Failed(problem) = &sample.outcome else {
            continue;
        };
        let round = sample.step.round;
        match failures.iter_mut().find(|f| f.problem == *problem) {
            Some(failure) => failure.rounds.push(round),
            None => failures.push(Failure {
                of: display(run, &cell.server, &cell.variant),
                connections: Some(cell.connections),
                rounds: vec![round],
                problem: problem.clone(),
            }),
        }
    }
    failures
}
