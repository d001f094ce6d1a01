//! `cargo xtask verify`

use std::path::Path;
use std::process::ExitCode;

use crate::config::manifest::{self, Manifest};
use crate::config::workspace::Workspace;
use crate::conformance::{self, CaseResult, table};
use crate::process::failure::Failure;
use crate::process::interrupt;
use crate::results::record::Server;
use crate::server::prepare::Preparation;

/// Check that the servers do what the contract asks
///
/// Builds and starts each variant and runs every case of the scenario against it. Exits with 1 when
/// a server misses something that its server.toml does not declare, declares a miss that no longer
/// holds, or does not build or start.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask verify                            every server
  cargo xtask verify axum hyper                 these two
  cargo xtask verify --variants axum/simd-json  one variant")]
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

pub fn run(args: Args, servers: Option<&Path>) -> anyhow::Result<ExitCode> {
    let interrupt = interrupt::install()?;
    let workspace = Workspace::find(servers)?;
    let manifests = manifest::select(workspace.servers()?, &args.servers, &args.variants)?;
    let preparation = Preparation {
        workspace: &workspace,
        scenario: &args.scenario,
        cpus: &[],
        interrupt: &interrupt,
    };
    let mut results: Vec<(String, Vec<CaseResult>)> = Vec::new();
    let mut problems = Vec::new();
    for manifest in &manifests {
        let server = preparation.server(manifest).map_err(Failure::from)?;
        problems.extend(problems_of(&server, manifest));
        for variant in server.variants {
            results.push((format!("{}/{}", server.name, variant.name), variant.conformance));
        }
    }
    if !results.is_empty() {
        println!("{}", table::text(&results, table::width()));
    }
    for problem in &problems {
        println!("{problem}");
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What makes the verification of this server fail, in words.
fn problems_of(server: &Server, manifest: &Manifest) -> Vec<String> {
    let mut problems: Vec<String> =
        server.problem.iter().map(|problem| format!("{}: {problem}", server.name)).collect();
    for variant in &server.variants {
        let said = if variant.conformance.is_empty() {
            variant.problem.iter().map(ToString::to_string).collect()
        } else {
            conformance::judge(&variant.conformance, &manifest.misses).problems()
        };
        let label = format!("{}/{}", server.name, variant.name);
        problems.extend(said.into_iter().map(|problem| format!("{label}: {problem}")));
    }
    problems
}
