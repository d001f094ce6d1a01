//! One sample: fresh server processes, one run of the driver against them.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use driver::report::Report;
use driver::run::Event;
use serde::Deserialize;

use crate::config::manifest::Manifest;
use crate::host::capacity::Capacity;
use crate::host::net;
use crate::host::placement::Placement;
use crate::process::failure::Failure;
use crate::process::interrupt::{self, Interrupted};
use crate::process::{Stdout, spawn};
use crate::results::record::{
    Cell, Measurement, Options, Outcome, Problem, SCHEMA, Sample, Stage, Step, Usage,
};
use crate::server::instance::{Instances, READY_LIMIT, Setup};

/// How long opening all connections may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);
/// What the driver gets on top of all its phases before it is taken for hung.
const SLACK: Duration = Duration::from_secs(10);
/// Between two looks at the servers and at Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// Everything a sample needs that stays the same during a run.
pub struct Bench<'a> {
    pub servers: &'a [Manifest],
    pub options: &'a Options,
    pub placement: &'a Placement,
    pub capacity: Capacity,
    /// Cargo's target directory.
    pub target: &'a Path,
    /// The driver's program.
    pub driver: &'a Path,
    pub interrupt: &'a AtomicBool,
}

/// A line of the driver's output.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Event(Event),
    Report(Box<Report>),
}

impl Bench<'_> {
    /// Takes one sample. What goes wrong with the server or the driver is its outcome.
    ///
    /// # Errors
    /// The run was interrupted; then there is no sample.
    pub fn sample(&self, step: &Step, watch: impl FnMut(Event)) -> Result<Sample, Interrupted> {
        let started_at = jiff::Timestamp::now();
        let outcome = match self.measure(&step.cell, watch) {
            Ok(measurement) => Outcome::Measured(Box::new(measurement)),
            Err(Failure::Problem(problem)) => Outcome::Failed(problem),
            Err(Failure::Interrupted(interrupted)) => return Err(interrupted),
        };
        Ok(Sample { schema: SCHEMA, step: step.clone(), started_at, outcome })
    }

    fn measure(&self, cell: &Cell, watch: impl FnMut(Event)) -> Result<Measurement, Failure> {
        let (manifest, variant) = self.find(cell)?;
        let count = self.capacity.instances(cell.connections);
        let setup = Setup {
            manifest,
            variant,
            scenario: &cell.scenario,
            threads: cell.threads,
            target: self.target,
            cpus: &self.placement.server,
            ready_limit: READY_LIMIT,
        };
        let instances = Instances::start(&setup, count, self.interrupt)?;
        let overflows = net::listen_overflows().unwrap_or(0);
        let (driver, server) = self.drive(cell, &instances, watch)?;
        Ok(Measurement {
            driver,
            server,
            instances: count,
            listen_overflows: net::listen_overflows().unwrap_or(0).saturating_sub(overflows),
        })
    }

    fn find(&self, cell: &Cell) -> Result<(&Manifest, &crate::config::manifest::Variant), Problem> {
        let manifest = self.servers.iter().find(|manifest| manifest.name == cell.server);
        manifest
            .and_then(|manifest| {
                let mut variants = manifest.variants.iter();
                Some((manifest, variants.find(|variant| variant.name == cell.variant)?))
            })
            .ok_or_else(|| {
                let (server, variant) = (&cell.server, &cell.variant);
                problem(format!("servers/{server} with its variant {variant} is gone"), "")
            })
    }

    /// Runs the driver and reads, at the edges of its window, what the servers have used.
    fn drive(
        &self,
        cell: &Cell,
        instances: &Instances,
        mut watch: impl FnMut(Event),
    ) -> Result<(Report, Usage), Failure> {
        let argv = self.driver_argv(cell, instances);
        let child = spawn(&argv, Path::new("/"), &self.placement.driver, Stdout::Lines)
            .map_err(|error| problem(format!("cannot run the driver: {error}"), ""))?;
        let options = self.options;
        let phases = options.warmup_s + options.duration_s + options.timeout_s;
        let deadline = Instant::now() + CONNECT_LIMIT + Duration::from_secs_f64(phases) + SLACK;
        let mut report = None;
        let (mut opened, mut usage) = (None, None);
        loop {
            match child.lines().recv_timeout(LOOK) {
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(Line::Event(event)) => {
                        match (event, &opened) {
                            (Event::Open, _) => {
                                instances.reset_peak();
                                opened = Some((Instant::now(), instances.usage()));
                            }
                            (Event::Close, Some((at, start))) => {
                                usage = Some((at.elapsed(), instances.usage_since(start)));
                            }
                            _ => {}
                        }
                        watch(event);
                    }
                    Ok(Line::Report(found)) => report = Some(*found),
                    Err(error) => {
                        let message = format!("cannot read the driver's output: {error}");
                        return Err(problem(message, &child.tail()).into());
                    }
                },
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            interrupt::check(self.interrupt)?;
            instances.alive()?;
            if Instant::now() > deadline {
                return Err(problem("the driver did not end in time".into(), &child.tail()).into());
            }
        }
        let finished = child.wait_while(|| interrupt::check(self.interrupt))?;
        instances.alive()?;
        if !finished.status.success() {
            let message = format!("the driver measured nothing ({})", finished.status);
            return Err(problem(message, &finished.tail).into());
        }
        let (Some(report), Some((between, mut usage))) = (report, usage) else {
            return Err(problem("the driver's output has no result".into(), &finished.tail).into());
        };
        // The two readings are a little later than the window's edges; the rate is what counts.
        if !between.is_zero() {
            usage.cpu_s *= report.window_s / between.as_secs_f64();
        }
        Ok((report, usage))
    }

    fn driver_argv(&self, cell: &Cell, instances: &Instances) -> Vec<String> {
        let threads = self.capacity.driver_threads(cell.connections, self.placement.driver.len());
        let seconds = |seconds: f64| format!("{seconds}");
        let mut argv = vec![self.driver.display().to_string()];
        argv.extend(instances.addresses().iter().map(|address| format!("http://{address}")));
        argv.extend(["--scenario", &cell.scenario, "--json", "--progress"].map(str::to_owned));
        for (flag, value) in [
            ("--connections", cell.connections.to_string()),
            ("--threads", threads.to_string()),
            ("--duration", seconds(self.options.duration_s)),
            ("--warmup", seconds(self.options.warmup_s)),
            ("--timeout", seconds(self.options.timeout_s)),
            ("--connect-timeout", seconds(CONNECT_LIMIT.as_secs_f64())),
        ] {
            argv.extend([flag.to_owned(), value]);
        }
        argv
    }
}

fn problem(message: String, tail: &str) -> Problem {
    Problem { stage: Stage::Measure, message, stderr_tail: tail.to_owned() }
}
