//! `cargo xtask crosscheck`

mod wrk;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use comfy_table::{CellAlignment, Table, presets};
use driver::args::{at_least_one, positive_duration};
use driver::output::text;
use driver::report::Report;
use nix::sys::resource::{UsageWho, getrusage};

use crate::config::manifest;
use crate::config::workspace::Workspace;
use crate::host;
use crate::host::capacity::Capacity;
use crate::host::placement::Placement;
use crate::process::failure::Failure;
use crate::process::interrupt;
use crate::process::{Stdout, spawn};
use crate::results::stats;
use crate::server::build;
use crate::server::instance::{Instances, READY_LIMIT, Setup};

/// Hold our driver against wrk, on the same server
///
/// Runs wrk and our driver in turn against one running server, on the same CPUs, and prints what
/// each says: requests per second, requests per second of its own CPU time, and how far its mean
/// latency is from what Little's law allows. wrk sends one fixed request and checks no answer; our
/// driver changes the number in each and checks every answer.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask crosscheck
  cargo xtask crosscheck --server axum --connections 2 --pairs 9 --duration 5s
  cargo xtask crosscheck --server-threads 1     the server is the limit, the generators wait for it")]
pub struct Args {
    /// The server (a folder under servers/)
    #[arg(long, value_name = "SERVER", default_value = "hyper")]
    server: String,
    /// Connections of each generator
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = at_least_one)]
    connections: u32,
    /// Threads of each generator
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    threads: u32,
    /// Threads of the server [default: one for each CPU that the generators leave, so that the
    /// generator is the limit and not the server]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    server_threads: Option<u32>,
    /// Length of each run
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = positive_duration)]
    duration: Duration,
    /// How often each generator runs
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = at_least_one)]
    pairs: u32,
}

/// One run of one generator.
#[derive(Clone, Copy, Debug)]
struct Figures {
    rate: f64,
    /// Requests per second of the generator's CPU time.
    per_cpu_second: f64,
    /// `rate × mean latency ÷ connections − 1`
    residual: f64,
    errors: u64,
}

struct Crosscheck<'a> {
    args: &'a Args,
    /// wrk's script.
    script: String,
    driver: &'a Path,
    cpus: &'a [usize],
    url: String,
    interrupt: &'a AtomicBool,
}

pub fn run(args: Args, servers: Option<&Path>) -> anyhow::Result<ExitCode> {
    let interrupt = interrupt::install()?;
    let capacity = Capacity::of_host();
    args.check(&capacity)?;
    let workspace = Workspace::find(servers)?;
    let mut servers =
        manifest::select(workspace.servers()?, std::slice::from_ref(&args.server), &[])?;
    let server = servers.pop().context("no server was selected")?;
    let variant = server.variants.first().context("the server has no variant")?;
    let driver = build::driver(&workspace, &interrupt)?;
    build::server(&server, &interrupt)?;
    let allowed = host::cpu::allowed();
    let spare = (allowed.len() as u32).saturating_sub(args.threads).max(1);
    let placement =
        Placement::new(&allowed, &host::cpu::cores(), args.server_threads.unwrap_or(spare));
    let server_threads = args.server_threads.unwrap_or(placement.server.len() as u32);
    for warning in &placement.warnings {
        println!("WARNING: {warning}");
    }
    let setup = Setup {
        manifest: &server,
        variant,
        scenario: "ping",
        threads: server_threads,
        target: &workspace.target,
        cpus: &placement.server,
        ready_limit: READY_LIMIT,
    };
    let instances = Instances::start(&setup, 1, &interrupt)?;
    let address = *instances.addresses().first().context("no instance was started")?;
    let crosscheck = Crosscheck {
        args: &args,
        script: workspace.root.join("wrk/ping.lua").display().to_string(),
        driver: &driver,
        // As many CPUs as threads, so that both generators have the same.
        cpus: &placement.driver[..placement.driver.len().min(args.threads as usize)],
        url: format!("http://{address}/ping"),
        interrupt: &interrupt,
    };
    println!(
        "{}/{}, {server_threads} thread(s) on CPU {:?}; {} connections, {} generator thread(s) on \
         CPU {:?}, {} pairs of {:?}",
        server.name,
        variant.name,
        placement.server,
        args.connections,
        args.threads,
        crosscheck.cpus,
        args.pairs,
        args.duration
    );
    let pairs = crosscheck.pairs()?;
    println!("{}", table(&pairs));
    println!("{}", conclusion(&pairs));
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn check(&self, capacity: &Capacity) -> anyhow::Result<()> {
        ensure!(
            build::on_path("wrk"),
            "wrk is not on PATH; get it: apt-get install wrk (Debian, Ubuntu) or brew install wrk"
        );
        ensure!(
            capacity.instances(self.connections) == 1,
            "{} connections need more than one server process on this host (descriptor limit {}), \
             and wrk takes one address; ask for fewer with --connections",
            self.connections,
            capacity.descriptors
        );
        ensure!(
            self.threads <= self.connections,
            "--threads {} is more than --connections {}",
            self.threads,
            self.connections
        );
        Ok(())
    }
}

impl Crosscheck<'_> {
    /// Pairs of wrk's and our driver's figures; who goes first alternates.
    fn pairs(&self) -> anyhow::Result<Vec<[Figures; 2]>> {
        let mut pairs = Vec::new();
        for pair in 1..=self.args.pairs {
            pairs.push(if pair % 2 == 1 {
                let wrk = self.wrk()?;
                [wrk, self.driver()?]
            } else {
                let driver = self.driver()?;
                [self.wrk()?, driver]
            });
            eprintln!("pair {pair} of {}", self.args.pairs);
        }
        Ok(pairs)
    }

    fn wrk(&self) -> anyhow::Result<Figures> {
        // wrk takes whole seconds only.
        let duration = format!("{}s", self.args.duration.as_secs_f64().ceil());
        let (output, cpu_s) = self.run(&["wrk", "-d", &duration, "-s", &self.script])?;
        let found = wrk::parse(&output)?;
        Ok(Figures {
            rate: found.rate,
            per_cpu_second: found.requests as f64 / cpu_s,
            residual: found.rate * found.latency / f64::from(self.args.connections) - 1.0,
            errors: found.errors,
        })
    }

    fn driver(&self) -> anyhow::Result<Figures> {
        let driver = self.driver.display().to_string();
        let duration = format!("{}", self.args.duration.as_secs_f64().ceil());
        let (output, cpu_s) =
            self.run(&[&driver, "-d", &duration, "--scenario", "ping", "--json"])?;
        let report: Report = serde_json::from_str(&output).context("the driver's output")?;
        Ok(Figures {
            rate: report.rate(),
            per_cpu_second: report.requests as f64 / cpu_s,
            residual: report.checks.littles_residual.unwrap_or(0.0),
            errors: report.errors_in_all(),
        })
    }

    /// Runs a generator; returns its output and the CPU seconds of its whole process.
    fn run(&self, argv: &[&str]) -> anyhow::Result<(String, f64)> {
        let mut argv: Vec<String> = argv.iter().copied().map(str::to_owned).collect();
        argv.extend(["-c".into(), self.args.connections.to_string()]);
        argv.extend(["-t".into(), self.args.threads.to_string(), self.url.clone()]);
        let before = children_cpu()?;
        let child = spawn(&argv, Path::new("/"), self.cpus, Stdout::Lines)?;
        let finished =
            child.wait_while(|| interrupt::check(self.interrupt)).map_err(Failure::from)?;
        // The server still runs, so the generator is the only child that was waited for.
        let cpu_s = children_cpu()? - before;
        ensure!(
            finished.status.success(),
            "`{}` failed ({}): {}",
            argv.join(" "),
            finished.status,
            finished.tail
        );
        Ok((finished.lines.join("\n"), cpu_s))
    }
}

/// CPU seconds of all children that have ended.
fn children_cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn table(pairs: &[[Figures; 2]]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "pair",
        "req/s wrk",
        "driver",
        "req/CPU-s wrk",
        "driver",
        "ratio",
        "Little wrk",
        "driver",
        "errors",
    ]);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let percent = |share: f64| format!("{:+.1} %", share * 100.0);
    for (index, [wrk, driver]) in pairs.iter().enumerate() {
        table.add_row([
            (index + 1).to_string(),
            text::count(wrk.rate),
            text::count(driver.rate),
            text::count(wrk.per_cpu_second),
            text::count(driver.per_cpu_second),
            format!("{:.3}", driver.per_cpu_second / wrk.per_cpu_second),
            percent(wrk.residual),
            percent(driver.residual),
            format!("{}/{}", wrk.errors, driver.errors),
        ]);
    }
    table
}

/// The medians of the pairs' ratios, with their intervals where there are pairs enough.
fn conclusion(pairs: &[[Figures; 2]]) -> String {
    let ratio = |what: &str, of: fn(&Figures) -> f64| {
        let ratios: Vec<f64> = pairs.iter().map(|[wrk, driver]| of(driver) / of(wrk)).collect();
        let median = stats::median(&ratios).unwrap_or(f64::NAN);
        let interval = match stats::median_interval(&ratios, stats::CONFIDENCE) {
            Some(interval) => format!("{:.3} to {:.3}", interval.low, interval.high),
            None => "too few pairs for an interval".into(),
        };
        format!("driver ÷ wrk, {what}: {median:.3} ({interval})\n")
    };
    let worst = |index: usize| {
        pairs.iter().map(|pair| pair[index].residual.abs()).fold(0.0, f64::max) * 100.0
    };
    let mut text = ratio("requests per generator CPU-second", |figures| figures.per_cpu_second);
    text += &ratio("requests per second", |figures| figures.rate);
    text +=
        &format!("largest Little's-law residual: wrk {:.1} %, driver {:.1} %", worst(0), worst(1));
    text
}
