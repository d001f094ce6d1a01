//! The server processes of a cell: started, ready, read, ended.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::config::manifest::{Manifest, Miss, RunValues, Variant};
use crate::conformance::{self, CaseResult};
use crate::process::failure::Failure;
use crate::process::interrupt;
use crate::process::{Child, Stdout, background, spawn};
use crate::results::record::{Problem, Stage, Usage};

mod port;
mod ready;
#[cfg(test)]
mod tests;
mod usage;

/// How long a server may take to give its first correct answer.
pub const READY_LIMIT: Duration = Duration::from_secs(10);

/// How often a port that another program has taken meanwhile is replaced.
const PORTS_TRIED: usize = 3;

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    pub manifest: &'a Manifest,
    pub variant: &'a Variant,
    pub scenario: &'a str,
    /// Threads that serve requests, of each instance.
    pub threads: u32,
    /// Cargo's target directory.
    pub target: &'a Path,
    /// CPUs that all instances share.
    pub cpus: &'a [usize],
    /// How long each instance may take to be ready, usually [`READY_LIMIT`].
    pub ready_limit: Duration,
}

/// The running instances of one server. Dropping them ends them all.
#[derive(Debug)]
pub struct Instances(Vec<Instance>);

/// One server process (and what it has started), listening.
#[derive(Debug)]
struct Instance {
    address: SocketAddr,
    child: Child,
}

impl Instances {
    /// Starts `count` instances (one at least), each on its own port, and waits until each has answered correctly.
    ///
    /// Call it from the main thread: see [`spawn()`].
    pub fn start(setup: &Setup<'_>, count: u32, interrupt: &AtomicBool) -> Result<Self, Failure> {
        let mut started = Self(Vec::new());
        for _ in 0..count.max(1) {
            let taken: Vec<u16> = started.0.iter().map(|one| one.address.port()).collect();
            let instance = Instance::start(setup, interrupt, || port::free(&taken))?;
            started.0.push(instance);
        }
        Ok(started)
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|instance| instance.address).collect()
    }

    /// Runs every case of the scenario against the first instance, as they are all the same.
    pub fn check(
        &self,
        scenario: &str,
        misses: &[Miss],
        interrupt: &AtomicBool,
    ) -> Result<Vec<CaseResult>, Failure> {
        let address = self.0.first().expect("one at least was started").address;
        let (scenario, misses) = (scenario.to_owned(), misses.to_owned());
        background::run(
            move || conformance::check(&scenario, address, &misses),
            || interrupt::check(interrupt),
        )?
        .map_err(|unknown| Problem {
            stage: Stage::Verify,
            message: unknown.to_string(),
            stderr_tail: String::new(),
        })
        .map_err(Failure::from)
    }

    /// Since their start; where a window begins.
    pub fn usage(&self) -> Usage {
        usage::read(&self.groups())
    }

    /// Since `start`; the peak of the resident set is since [`Self::reset_peak`].
    pub fn usage_since(&self, start: &Usage) -> Usage {
        usage::between(start, &self.usage())
    }

    /// Begins the peak of the resident set anew.
    pub fn reset_peak(&self) {
        usage::reset_peak(&self.groups());
    }

    /// Fails when a process has ended, with how and with its last words.
    pub fn alive(&self) -> Result<(), Problem> {
        for instance in &self.0 {
            if let Some(status) = instance.child.exited() {
                return Err(Problem {
                    stage: Stage::Measure,
                    message: format!("the server ended while it was measured ({status})"),
                    stderr_tail: instance.child.tail(),
                });
            }
        }
        Ok(())
    }

    fn groups(&self) -> HashSet<i32> {
        let groups = self.0.iter().map(|instance| instance.child.group().as_raw());
        groups.collect()
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        // All at once, so that their times to end do not add up.
        for instance in &self.0 {
            instance.child.terminate();
        }
    }
}

impl Instance {
    /// Takes a port from `pick`, and another when it was taken meanwhile.
    fn start(
        setup: &Setup<'_>,
        interrupt: &AtomicBool,
        mut pick: impl FnMut() -> Option<u16>,
    ) -> Result<Self, Failure> {
        for _ in 0..PORTS_TRIED {
            let Some(port) = pick() else {
                return Err(start_problem("no port is free on 127.0.0.1", String::new()).into());
            };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let child = setup.spawn(address)?;
            let limit = setup.ready_limit;
            match ready::wait(&child, setup.scenario, address, limit, interrupt) {
                Ok(()) => return Ok(Self { address, child }),
                Err(_) if child.exited().is_some() && !port::is_free(port) => {}
                Err(failure) => return Err(failure),
            }
        }
        let message = format!(
            "each of {PORTS_TRIED} ports was taken by another program before the server could \
             listen; try again"
        );
        Err(start_problem(message, String::new()).into())
    }
}

impl Setup<'_> {
    fn spawn(&self, listen: SocketAddr) -> Result<Child, Problem> {
        let dir = &self.manifest.dir;
        let values = RunValues {
            listen,
            threads: self.threads,
            json: &self.variant.json,
            target: self.target,
            dir,
        };
        let argv = values.substitute(&self.manifest.run);
        spawn(&argv, dir, self.cpus, Stdout::Tail).map_err(|error| {
            let program = argv.first().map(String::as_str).unwrap_or_default();
            let message = format!("cannot run `{program}` in {}: {error}", dir.display());
            start_problem(message, String::new())
        })
    }
}

fn start_problem(message: impl Into<String>, stderr_tail: String) -> Problem {
    Problem { stage: Stage::Start, message: message.into(), stderr_tail }
}
