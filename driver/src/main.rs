//! `driver`: parse, check the limits, run, write.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser as _;
use driver::args::{Args, Cli, Command, Load, Merge};
use driver::limits::{self, Demand, Host, Limit};
use driver::merge::merge;
use driver::output::Output;
use driver::output::live::Live;
use driver::report::Report;
use driver::run::{self, Event};

/// What went wrong, and the exit status that says so.
type Failure = (u8, anyhow::Error);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::Merge(args)) => add(args),
        None => measure(&cli.load),
    };
    done.unwrap_or_else(|(code, error)| {
        eprintln!("driver: {error:#}");
        ExitCode::from(code)
    })
}

fn usage(error: impl Into<anyhow::Error>) -> Failure {
    (2, error.into())
}

fn failed(error: impl Into<anyhow::Error>) -> Failure {
    (1, error.into())
}

fn measure(args: &Args) -> Result<ExitCode, Failure> {
    let load = args.load().map_err(usage)?;
    preflight(args, &load).map_err(usage)?;
    let output = Output::open(&args.outputs).map_err(usage)?;

    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupt)).map_err(failed)?;
    }
    let interrupted = || interrupt.load(Ordering::Relaxed);
    let mut live = Live::new(args);
    let watch = |event: Event| {
        live.event(event);
        if args.progress
            && let Ok(line) = serde_json::to_string(&event)
        {
            // Nobody may be reading any more; the load goes on.
            let _ = writeln!(stdout(), "{line}");
        }
    };
    let report = run::run(args, load, interrupted, watch);
    live.end();
    let report = report.map_err(failed)?;
    output.write(&report).map_err(failed)?;
    if interrupted() {
        return Ok(ExitCode::from(130));
    }
    status(&report, args.outputs.strict)
}

fn add(args: &Merge) -> Result<ExitCode, Failure> {
    let report = merge(args).map_err(usage)?;
    Output::open(&args.outputs).map_err(usage)?.write(&report).map_err(failed)?;
    status(&report, args.outputs.strict)
}

/// What the exit status says of a report.
fn status(report: &Report, strict: bool) -> Result<ExitCode, Failure> {
    if report.connect.established == 0 && report.requests == 0 {
        let mut errors = report.errors_before.clone();
        errors.merge(&report.errors);
        let errors = errors.list();
        return Err(failed(anyhow::anyhow!("no connection was ever answered ({errors})")));
    }
    Ok(if !report.verdict.invalid.is_empty() {
        ExitCode::from(3)
    } else if strict && !report.verdict.driver_bound.is_empty() {
        ExitCode::from(4)
    } else {
        ExitCode::SUCCESS
    })
}

/// Refuses, before anything starts, what the host cannot hold, and warns of what it may not.
fn preflight(args: &Args, load: &Load) -> anyhow::Result<()> {
    let demand = Demand {
        connections: args.own_connections(),
        threads: args.threads,
        targets: load.endpoints.iter().map(|endpoint| endpoint.address).collect(),
        sources: Arc::clone(&load.sources),
    };
    let limits = limits::check(&Host::read(&load.sources), &demand);
    let (fatal, warnings): (Vec<_>, Vec<_>) = limits.into_iter().partition(Limit::is_fatal);
    for warning in warnings {
        eprintln!("driver: warning: {warning}");
    }
    let texts: Vec<_> = fatal.iter().map(Limit::to_string).collect();
    anyhow::ensure!(fatal.is_empty(), "this host cannot hold that:\n{}", texts.join("\n"));
    Ok(())
}
