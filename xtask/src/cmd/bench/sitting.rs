//! One invocation's part of a run: the samples that it takes, and how it ends.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;

use crate::config::manifest::Manifest;
use crate::config::workspace::Workspace;
use crate::host::capacity::Capacity;
use crate::process::failure::Failure;
use crate::process::interrupt;
use crate::report;
use crate::results::record::{Run, Step};
use crate::results::store::Writer;
use crate::results::summary::Summary;
use crate::run::measure::Bench;
use crate::run::progress::Progress;
use crate::server::build;
use crate::text::shell;

/// One invocation's part of a run.
pub struct Sitting<'a> {
    pub dir: &'a Path,
    pub run: &'a Run,
    pub servers: &'a [Manifest],
    pub workspace: &'a Workspace,
    pub interrupt: &'a AtomicBool,
}

impl Sitting<'_> {
    /// Builds the driver and what `steps` need: it may have been cleaned away since the run began.
    pub fn build_again(&self, steps: &[Step]) -> Result<PathBuf, Failure> {
        let driver = build::driver(self.workspace, self.interrupt)?;
        let is_needed =
            |manifest: &&Manifest| steps.iter().any(|step| step.cell.server == manifest.name);
        for manifest in self.servers.iter().filter(is_needed) {
            build::server(manifest, self.interrupt)?;
        }
        Ok(driver)
    }

    /// Takes the samples of `steps`, writes the reports and says where they are.
    pub fn finish(
        &self,
        steps: &[Step],
        driver: &Path,
        capacity: Capacity,
        writer: &mut Writer,
    ) -> anyhow::Result<ExitCode> {
        let bench = Bench {
            servers: self.servers,
            options: &self.run.options,
            placement: &self.run.placement,
            capacity,
            target: &self.workspace.target,
            driver,
            interrupt: self.interrupt,
        };
        let total = self.run.plan.len();
        let mut progress = Progress::new(steps, total, &self.run.options);
        for (index, step) in steps.iter().enumerate() {
            progress.begin(step);
            let Ok(sample) = bench.sample(step, |event| progress.event(event)) else {
                progress.finish();
                return Ok(self.stopped(total - steps.len() + index));
            };
            writer.append(&sample)?;
            progress.end(&sample);
        }
        progress.finish();
        let (files, summary) =
            report::write_all(self.dir).context("every sample is stored, but")?;
        Ok(self.conclude(&files, &summary))
    }

    /// Says how to go on.
    pub fn stopped(&self, done: usize) -> ExitCode {
        let mut command: Vec<String> =
            ["cargo", "xtask", "bench", "--resume"].map(str::to_owned).into();
        command.push(self.dir.display().to_string());
        if let Some(servers) = self.workspace.other_servers() {
            command.extend(["--servers-dir".to_owned(), servers.display().to_string()]);
        }
        eprintln!(
            "stopped; {done} of {} samples are stored. To go on:\n  {}",
            self.run.plan.len(),
            shell(&command)
        );
        ExitCode::from(interrupt::EXIT_CODE)
    }

    /// Prints the tables and the files' names. Fails when something could not be measured.
    fn conclude(&self, files: &[PathBuf], summary: &Summary) -> ExitCode {
        println!("{}", report::terminal::render(summary));
        for file in files {
            println!("{}", file.display());
        }
        if summary.failures.is_empty() {
            return ExitCode::SUCCESS;
        }
        eprintln!("not everything could be measured; report.md says what and why, under Failures");
        ExitCode::FAILURE
    }
}
