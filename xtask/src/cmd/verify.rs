//! `cargo xtask verify`

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use crate::build;
use crate::conformance::{self, CaseResult};
use crate::failure::Failure;
use crate::instance::{Instances, READY_LIMIT, Setup};
use crate::interrupt::{self, Interrupted};
use crate::manifest::{self, Manifest, Variant};
use crate::workspace::Workspace;

/// Check that the servers do what the contract asks
///
/// Builds and starts each variant and runs every case of the scenario against it. Exits with 1 when
/// a server misses something that its server.toml does not declare, declares a miss that no longer
/// holds, or does not build or start.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask verify                            every server
  cargo xtask verify axum hyper                 these two
  cargo xtask verify --variants axum/simd_json  one variant")]
pub struct Args {
    /// Servers to check (folders under servers/); all by default
    servers: Vec<String>,
    /// Variants to check, as `variant` or `server/variant`; all by default
    #[arg(long, value_delimiter = ',', value_name = "VARIANTS")]
    variants: Vec<String>,
    /// What is asked of the servers
    #[arg(long, default_value = "ping", value_parser = scenarios())]
    scenario: String,
}

fn scenarios() -> clap::builder::PossibleValuesParser {
    conformance::scenarios().iter().copied().into()
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = interrupt::install()?;
    let workspace = Workspace::find()?;
    let servers = manifest::select(workspace.servers()?, &args.servers, &args.variants)?;
    let mut verification = Verification {
        workspace: &workspace,
        scenario: &args.scenario,
        interrupt: &interrupt,
        results: Vec::new(),
        problems: Vec::new(),
    };
    for server in &servers {
        if verification.server(server).is_err() {
            eprintln!("interrupted");
            return Ok(ExitCode::from(interrupt::EXIT_CODE));
        }
    }
    Ok(verification.finish())
}

struct Verification<'a> {
    workspace: &'a Workspace,
    scenario: &'a str,
    interrupt: &'a AtomicBool,
    /// By `server/variant`.
    results: Vec<(String, Vec<CaseResult>)>,
    /// What makes the verification fail, in words.
    problems: Vec<String>,
}

impl Verification<'_> {
    /// A server that does not build or start is a problem of its own; the others still go on.
    fn server(&mut self, server: &Manifest) -> Result<(), Interrupted> {
        eprintln!("{}: building", server.name);
        match build::server(server, self.interrupt) {
            Ok(version) => eprintln!("{}: {} {version}", server.name, server.framework.name),
            Err(failure) => return self.failed(&server.name, failure),
        }
        for variant in &server.variants {
            let label = format!("{}/{}", server.name, variant.name);
            eprintln!("{label}: checking");
            match self.check(server, variant) {
                Ok(results) => {
                    let verdict = conformance::judge(&results, &server.misses);
                    let problems = verdict.problems();
                    self.problems
                        .extend(problems.iter().map(|problem| format!("{label}: {problem}")));
                    self.results.push((label, results));
                }
                Err(failure) => self.failed(&label, failure)?,
            }
        }
        Ok(())
    }

    fn check(&self, server: &Manifest, variant: &Variant) -> Result<Vec<CaseResult>, Failure> {
        let setup = Setup {
            manifest: server,
            variant,
            scenario: self.scenario,
            threads: 1,
            target: &self.workspace.target,
            cpus: &[],
            ready_limit: READY_LIMIT,
        };
        let instances = Instances::start(&setup, 1, self.interrupt)?;
        instances.check(self.scenario, &server.misses, self.interrupt)
    }

    fn failed(&mut self, who: &str, failure: Failure) -> Result<(), Interrupted> {
        match failure {
            Failure::Interrupted => Err(Interrupted),
            Failure::Problem(problem) => {
                self.problems.push(format!("{who}: {problem}"));
                Ok(())
            }
        }
    }

    fn finish(self) -> ExitCode {
        if !self.results.is_empty() {
            println!("{}", conformance::table::text(&self.results));
        }
        for problem in &self.problems {
            println!("{problem}");
        }
        match self.problems.len() {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}
