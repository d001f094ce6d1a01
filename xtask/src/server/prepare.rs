//! Builds a server and checks each of its variants: what comes before any measuring.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::config::manifest::{self, Manifest};
use crate::config::workspace::Workspace;
use crate::conformance::{self, CaseResult};
use crate::process::failure::Failure;
use crate::process::interrupt::Interrupted;
use crate::results::record::{Problem, Server, Stage, Variant};
use crate::server::build;
use crate::server::instance::{Instances, READY_LIMIT, Setup};

/// Where and for what servers are prepared.
pub struct Preparation<'a> {
    pub workspace: &'a Workspace,
    pub scenario: &'a str,
    /// CPUs on which the servers run while they are checked; all when empty.
    pub cpus: &'a [usize],
    pub interrupt: &'a AtomicBool,
}

impl Preparation<'_> {
    /// Builds the driver and all servers, and checks the servers.
    ///
    /// # Errors
    /// The driver does not build, or the user interrupted.
    pub fn all(&self, servers: &[Manifest]) -> Result<(PathBuf, Vec<Server>), Failure> {
        let driver = build::driver(self.workspace, self.interrupt)?;
        let prepared = servers.iter().map(|manifest| self.server(manifest));
        Ok((driver, prepared.collect::<Result<_, _>>()?))
    }

    /// Builds `manifest`'s server and checks its variants. What goes wrong with it is part of the
    /// answer, so that the others go on.
    ///
    /// # Errors
    /// The user interrupted.
    pub fn server(&self, manifest: &Manifest) -> Result<Server, Interrupted> {
        let (version, problem) = split(build::server(manifest, self.interrupt))?;
        let mut server = Server {
            name: manifest.name.clone(),
            display: manifest.display.clone(),
            language: manifest.language.clone(),
            framework: manifest.framework.name.clone(),
            version: version.unwrap_or_default(),
            problem,
            variants: Vec::new(),
            other_threads: manifest.other_threads.clone(),
            tuning: manifest.tuning.clone(),
        };
        if let Some(problem) = &server.problem {
            eprintln!("{}: {problem}", server.name);
            return Ok(server);
        }
        for variant in &manifest.variants {
            eprintln!("{}/{}: checking", manifest.name, variant.name);
            let variant = self.variant(manifest, variant)?;
            if let Some(problem) = &variant.problem {
                eprintln!("{}/{}: {problem}", manifest.name, variant.name);
            }
            server.variants.push(variant);
        }
        Ok(server)
    }

    fn variant(
        &self,
        manifest: &Manifest,
        variant: &manifest::Variant,
    ) -> Result<Variant, Interrupted> {
        let setup = Setup {
            manifest,
            variant,
            scenario: self.scenario,
            threads: 1,
            target: &self.workspace.target,
            cpus: self.cpus,
            ready_limit: READY_LIMIT,
        };
        let checked = Instances::start(&setup, 1, self.interrupt)
            .and_then(|instances| instances.check(self.scenario, &manifest.misses, self.interrupt));
        let (conformance, problem) = split(checked)?;
        let conformance = conformance.unwrap_or_default();
        let problem = problem.or_else(|| not_measurable(&conformance, manifest));
        Ok(Variant { name: variant.name.clone(), conformance, problem })
    }
}

/// A server that misses a required case is not measured: it does not do the same work.
fn not_measurable(results: &[CaseResult], manifest: &Manifest) -> Option<Problem> {
    let verdict = conformance::judge(results, &manifest.misses);
    (!verdict.measurable()).then(|| Problem {
        stage: Stage::Verify,
        message: verdict.problems().join("; "),
        stderr_tail: String::new(),
    })
}

fn split<T>(done: Result<T, Failure>) -> Result<(Option<T>, Option<Problem>), Interrupted> {
    match done {
        Ok(value) => Ok((Some(value), None)),
        Err(Failure::Problem(problem)) => Ok((None, Some(problem))),
        Err(Failure::Interrupted(interrupted)) => Err(interrupted),
    }
}
