//! `cargo xtask bench`

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use driver::args::{at_least_one, duration, positive_duration};

use crate::config::manifest::{self, Manifest};
use crate::config::suite::Suite;
use crate::config::workspace::Workspace;
use crate::host::capacity::Capacity;
use crate::host::placement::Placement;
use crate::host::{self, Host};
use crate::process::failure::Failure;
use crate::process::interrupt;
use crate::report;
use crate::results::record::{Options, Outcome, Run, SCHEMA, Server, Step};
use crate::results::store::{self, Writer};
use crate::results::summary;
use crate::run::measure::Bench;
use crate::run::plan;
use crate::run::progress::{Progress, whole_seconds};
use crate::server::build;
use crate::server::prepare::Preparation;
use crate::text::{plural, shell};

/// The options of a new run, which a resumed one has already.
const NEW_RUN: [&str; 12] = [
    "servers",
    "variants",
    "connections",
    "threads",
    "duration",
    "warmup",
    "rounds",
    "seed",
    "quick",
    "suite",
    "dry_run",
    "out",
];

/// Samples in a plan: far more than anybody waits for, and few enough to be kept in memory.
const MOST_SAMPLES: u64 = 100_000;

/// Build everything, run the matrix, write the tables
///
/// Says first what it will do and for how long. Builds the driver and the servers, checks every
/// variant against the contract, then measures each cell (variant × connections) in a random order,
/// round by round, with a freshly started server each time. Writes run.json, samples.jsonl,
/// report.md and wrk.txt to results/<run-id>/. Exits with 1 when a server or a sample failed.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench                                     the suite `default` of bench.toml
  cargo xtask bench --quick                             everything once, in under two minutes
  cargo xtask bench --servers axum,hyper --connections 400 --rounds 10
  cargo xtask bench --variants serde_json --duration 10s
  cargo xtask bench --dry-run                           the plan and its time, nothing else
  cargo xtask bench --resume results/20261120-234247    go on with a run that was stopped")]
pub struct Args {
    /// Servers to measure (folders under servers/), separated by commas [default: the suite's]
    #[arg(long, value_delimiter = ',', value_name = "SERVERS")]
    servers: Vec<String>,
    /// Variants to measure, as `variant` or `server/variant`, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "VARIANTS")]
    variants: Vec<String>,
    /// Connection counts, separated by commas [default: the suite's]
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = at_least_one)]
    connections: Vec<u32>,
    /// Counts of threads that serve requests, separated by commas [default: the suite's]
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = at_least_one)]
    threads: Vec<u32>,
    /// Length of each measured window, e.g. 3s [default: the suite's]
    #[arg(long, value_name = "TIME", value_parser = positive_duration)]
    duration: Option<Duration>,
    /// Load before each measured window [default: the suite's]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    warmup: Option<Duration>,
    /// Samples of each cell; a 95 % interval needs 6 [default: the suite's]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    rounds: Option<u32>,
    /// What the order of the cells is drawn from [default: random, recorded in run.json]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The suite `quick`: everything once
    #[arg(long, conflicts_with = "suite")]
    quick: bool,
    /// A suite of bench.toml
    #[arg(long, value_name = "NAME", default_value = "default")]
    suite: String,
    /// Print the plan and its estimated time, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Finish the run in this folder, with the options it was started with
    #[arg(long, value_name = "DIR", conflicts_with_all = NEW_RUN)]
    resume: Option<PathBuf>,
    /// Folder for the results [default: results/<run-id>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: Args, servers: Option<&Path>) -> anyhow::Result<ExitCode> {
    let interrupt = interrupt::install()?;
    let workspace = Workspace::find(servers)?;
    match &args.resume {
        Some(dir) => resume(dir, &workspace, &interrupt),
        None => start(&args, &workspace, &interrupt),
    }
}

fn start(args: &Args, workspace: &Workspace, interrupt: &AtomicBool) -> anyhow::Result<ExitCode> {
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
    // Before the build, so that nobody waits minutes to learn that the folder cannot be written.
    store::claim(&dir)?;

    let preparation =
        Preparation { workspace, scenario: &suite.scenario, cpus: &placement.server, interrupt };
    let (driver, prepared) = preparation.all(&servers).inspect_err(|_| {
        // Nothing is lost: only a folder that is still empty can be removed so.
        let _ = std::fs::remove_dir(&dir);
    })?;
    let plan: Vec<Step> = plan.into_iter().filter(|step| is_measurable(&prepared, step)).collect();
    let run = Run {
        schema: SCHEMA,
        id,
        created_at,
        command: args.command(seed),
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
    if run.host.commit != host.commit {
        let name = |commit: &Option<String>| commit.clone().unwrap_or_else(|| "unknown".into());
        bail!(
            "{} was begun at commit {}, and this is {}; check that commit out, or start a new run \
             with `cargo xtask bench`",
            dir.display(),
            name(&run.host.commit),
            name(&host.commit)
        );
    }
    let done: HashSet<&Step> = contents.samples.iter().map(|sample| &sample.step).collect();
    let left: Vec<Step> = run.plan.iter().filter(|step| !done.contains(step)).cloned().collect();
    let names: Vec<String> = run.servers.iter().map(|server| server.name.clone()).collect();
    let servers = manifest::select(workspace.servers()?, &names, &[])?;
    eprintln!("{} of {} samples are there; {} to go", done.len(), run.plan.len(), left.len());
    let sitting = Sitting { dir, run: &run, servers: &servers, workspace, interrupt };
    let driver = match sitting.build_again() {
        Ok(driver) => driver,
        Err(Failure::Interrupted(_)) => return Ok(sitting.stopped(done.len())),
        Err(Failure::Problem(problem)) => bail!("{problem}"),
    };
    sitting.finish(&left, &driver, Capacity::of_host(), &mut writer)
}

fn is_measurable(prepared: &[Server], step: &Step) -> bool {
    prepared.iter().filter(|server| server.name == step.cell.server).any(|server| {
        let mut variants = server.variants.iter();
        variants.any(|variant| variant.name == step.cell.variant && variant.problem.is_none())
    })
}

impl Args {
    /// The suite with what the flags change.
    fn suite(&self, workspace: &Workspace) -> anyhow::Result<Suite> {
        let mut suite = workspace.suite(if self.quick { "quick" } else { &self.suite })?;
        let replace = |list: &mut Vec<u32>, with: &Vec<u32>| {
            if !with.is_empty() {
                list.clone_from(with);
            }
        };
        replace(&mut suite.connections, &self.connections);
        replace(&mut suite.threads, &self.threads);
        if !self.servers.is_empty() {
            suite.servers.clone_from(&self.servers);
        }
        suite.duration = self.duration.unwrap_or(suite.duration);
        suite.warmup = self.warmup.unwrap_or(suite.warmup);
        suite.rounds = self.rounds.unwrap_or(suite.rounds);
        for list in [&mut suite.connections, &mut suite.threads] {
            // Named twice, it would be two samples that nothing tells apart.
            let mut seen = HashSet::new();
            list.retain(|number| seen.insert(*number));
        }
        Ok(suite)
    }

    /// What makes this run again, in the same order.
    fn command(&self, seed: u64) -> Vec<String> {
        let mut command = vec!["cargo".to_owned(), "xtask".to_owned()];
        command.extend(std::env::args().skip(1));
        if self.seed.is_none() {
            command.extend(["--seed".to_owned(), seed.to_string()]);
        }
        command
    }
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

/// One invocation's part of a run.
struct Sitting<'a> {
    dir: &'a Path,
    run: &'a Run,
    servers: &'a [Manifest],
    workspace: &'a Workspace,
    interrupt: &'a AtomicBool,
}

impl Sitting<'_> {
    /// What was built when the run began may have been cleaned away since.
    fn build_again(&self) -> Result<PathBuf, Failure> {
        eprintln!("driver: building");
        let driver = build::driver(self.workspace, self.interrupt)?;
        for manifest in self.servers {
            eprintln!("{}: building", manifest.name);
            build::server(manifest, self.interrupt)?;
        }
        Ok(driver)
    }

    /// Takes the samples of `steps`, writes the reports and says where they are.
    fn finish(
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
        let files = report::write_all(self.dir).context("every sample is stored, but")?;
        self.conclude(&files)
    }

    fn stopped(&self, done: usize) -> ExitCode {
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
    fn conclude(&self, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
        let contents = store::read(self.dir)?;
        let summary = summary::summarise(&contents.run, &contents.samples);
        println!("{}", report::terminal::render(&summary));
        for file in files {
            println!("{}", file.display());
        }
        let failed =
            contents.samples.iter().filter(|sample| matches!(sample.outcome, Outcome::Failed(_)));
        let failed = failed.count();
        let unmeasured = self.run.servers.iter().filter(|server| {
            server.problem.is_some()
                || server.variants.iter().any(|variant| variant.problem.is_some())
        });
        let unmeasured = unmeasured.count();
        if failed + unmeasured > 0 {
            eprintln!(
                "samples that failed: {failed}; servers that were not measured: {unmeasured}; the \
                 report says why"
            );
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}
