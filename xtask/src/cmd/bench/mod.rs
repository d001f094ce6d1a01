//! `cargo xtask bench`

mod args;
mod sitting;

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{bail, ensure};
pub use args::Args;
use args::NewRun;
use sitting::Sitting;

use crate::config::manifest::{self, Manifest};
use crate::config::suite::Suite;
use crate::config::workspace::Workspace;
use crate::host::capacity::Capacity;
use crate::host::placement::Placement;
use crate::host::{self, Host};
use crate::process::failure::Failure;
use crate::process::interrupt;
use crate::results::record::{Options, Run, SCHEMA, Server, Step};
use crate::results::store::{self, Writer};
use crate::run::plan;
use crate::run::progress::whole_seconds;
use crate::server::prepare::Preparation;
use crate::text::plural;

/// Samples in a plan: hours of them. A report needs about half a megabyte for each.
const MOST_SAMPLES: u64 = 5_000;

pub fn run(args: Args, servers: Option<&Path>) -> anyhow::Result<ExitCode> {
    let interrupt = interrupt::install()?;
    let workspace = Workspace::find(servers)?;
    match &args.resume {
        Some(dir) => resume(dir, &workspace, &interrupt),
        None => start(&args.new, &workspace, &interrupt),
    }
}

fn start(args: &NewRun, workspace: &Workspace, interrupt: &AtomicBool) -> anyhow::Result<ExitCode> {
    let suite = args.suite(workspace)?;
    let servers = manifest::select(workspace.servers()?, &suite.servers, &args.variants)?;
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let options = Options {
        suite: suite.name.clone(),
        duration_s: suite.duration.as_secs_f64(),
        warmup_s: suite.warmup.as_secs_f64(),
        timeout_s: suite.timeout.as_secs_f64(),
        rounds: suite.rounds,
        seed,
    };
    let cells = plan::cells(&suite, &servers);
    ensure!(
        cells.len() as u64 * u64::from(suite.rounds) <= MOST_SAMPLES,
        "{} rounds of {} cells are more than {MOST_SAMPLES} samples; ask for fewer with --rounds",
        suite.rounds,
        cells.len()
    );
    let plan = plan::order(&cells, suite.rounds, seed);
    let host = Host::read(&workspace.root);
    let widest = suite.threads.iter().copied().max().unwrap_or(1);
    let placement = Placement::new(&host::cpu::allowed(), &host.cores, widest);
    let capacity = Capacity::of_host();
    for &connections in &suite.connections {
        capacity.check(connections)?;
    }
    announce(&suite, &servers, &plan, &options, &placement, &capacity);
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let created_at = jiff::Timestamp::now();
    let id = created_at.strftime("%Y%m%d-%H%M%S").to_string();
    let dir = args.out.clone().unwrap_or_else(|| workspace.root.join("results").join(&id));
    let command = args.command(seed, workspace);
    // Before the build, so that nobody waits minutes to learn that the folder cannot be written.
    let is_ours = store::claim(&dir)?;

    let preparation =
        Preparation { workspace, scenario: &suite.scenario, cpus: &placement.server, interrupt };
    let (driver, prepared) = preparation.all(&servers).inspect_err(|_| {
        if is_ours {
            // It is still empty, or this fails.
            let _ = std::fs::remove_dir(&dir);
        }
    })?;
    let plan: Vec<Step> = plan.into_iter().filter(|step| is_measurable(&prepared, step)).collect();
    let run = Run {
        schema: SCHEMA,
        id,
        created_at,
        command,
        options,
        host,
        placement,
        servers: prepared,
        plan,
    };
    let mut writer = Writer::create(&dir, &run)?;
    let sitting = Sitting { dir: &dir, run: &run, servers: &servers, workspace, interrupt };
    sitting.finish(&run.plan, &driver, capacity, &mut writer)
}

fn resume(dir: &Path, workspace: &Workspace, interrupt: &AtomicBool) -> anyhow::Result<ExitCode> {
    let (mut writer, contents) = Writer::resume(dir)?;
    let run = contents.run;
    if contents.unfinished > 0 {
        eprintln!("the last line of samples.jsonl was cut short and is taken again");
    }
    let host = Host::read(&workspace.root);
    if let Err(difference) = run.host.same_machine(&host) {
        bail!(
            "{} was begun on another machine ({difference}), and figures of two machines do not \
             mix; start a new run with `cargo xtask bench`",
            dir.display()
        );
    }
    if let Err(difference) = run.host.same_code(&host) {
        bail!(
            "{} was begun with other sources ({difference}), and its rows would be of both; go back \
             to those, or start a new run with `cargo xtask bench`",
            dir.display()
        );
    }
    let done: HashSet<&Step> = contents.samples.iter().map(|sample| &sample.step).collect();
    let left: Vec<Step> = run.plan.iter().filter(|step| !done.contains(step)).cloned().collect();
    let names: Vec<String> = run.servers.iter().map(|server| server.name.clone()).collect();
    let servers = manifest::select(workspace.servers()?, &names, &[])?;
    let capacity = Capacity::of_host();
    for step in &left {
        capacity.check(step.cell.connections)?;
    }
    eprintln!("{} of {} samples are there; {} to go", done.len(), run.plan.len(), left.len());
    let sitting = Sitting { dir, run: &run, servers: &servers, workspace, interrupt };
    let driver = match sitting.build_again(&left) {
        Ok(driver) => driver,
        Err(Failure::Interrupted(_)) => return Ok(sitting.stopped(done.len())),
        Err(Failure::Problem(problem)) => bail!("{problem}"),
    };
    sitting.finish(&left, &driver, capacity, &mut writer)
}

fn is_measurable(prepared: &[Server], step: &Step) -> bool {
    prepared.iter().filter(|server| server.name == step.cell.server).any(|server| {
        let mut variants = server.variants.iter();
        variants.any(|variant| variant.name == step.cell.variant && variant.problem.is_none())
    })
}

/// Says what is going to happen, before it does.
fn announce(
    suite: &Suite,
    servers: &[Manifest],
    plan: &[Step],
    options: &Options,
    placement: &Placement,
    capacity: &Capacity,
) {
    println!(
        "suite        {} ({} × {})",
        suite.name,
        suite.scenario,
        plural(suite.rounds, "round")
    );
    for server in servers {
        let variants = server.variants.iter();
        let variants: Vec<String> =
            variants.map(|variant| format!("{}/{}", server.name, variant.name)).collect();
        println!("variants     {}", variants.join("  "));
    }
    for &connections in &suite.connections {
        let threads = capacity.driver_threads(connections, placement.driver.len());
        println!(
            "connections  {connections} from {} to {}",
            plural(threads, "driver thread"),
            plural(capacity.instances(connections), "server instance")
        );
    }
    println!("CPUs         server {:?}, driver {:?}", placement.server, placement.driver);
    for warning in &placement.warnings {
        println!("WARNING      {warning}");
    }
    println!("order        drawn from --seed {}", options.seed);
    println!(
        "time         about {} after the build: {} of {} s, warm-up {} s",
        whole_seconds(plan::estimate(plan, options)),
        plural(plan.len() as f64, "sample"),
        options.duration_s,
        options.warmup_s
    );
}
