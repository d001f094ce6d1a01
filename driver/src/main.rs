//! `driver`: parse, check the limits, run, print.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser as _;
use driver::args::{Args, Load};
use driver::limits::{self, Demand, Host, Limit};
use driver::run::{self, Event};

fn main() -> ExitCode {
    let args = Args::parse();
    match measure(&args) {
        Ok(code) => code,
        Err((code, error)) => {
            eprintln!("driver: {error:#}");
            ExitCode::from(code)
        }
    }
}

fn measure(args: &Args) -> Result<ExitCode, (u8, anyhow::Error)> {
    let usage = |error: anyhow::Error| (2, error);
    let failed = |error: anyhow::Error| (1, error);
    let load = args.load().map_err(|error| usage(error.into()))?;
    preflight(args, &load).map_err(usage)?;

    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupt))
            .map_err(|error| failed(error.into()))?;
    }
    let interrupted = || interrupt.load(Ordering::Relaxed);
    let watch = |event: Event| {
        if args.progress
            && let Ok(line) = serde_json::to_string(&event)
        {
            // Nobody may be reading any more; the load goes on.
            let _ = writeln!(stdout(), "{line}");
        }
    };
    let report = run::run(args, load, interrupted, watch).map_err(|error| failed(error.into()))?;

    let text = if args.json {
        let json = serde_json::to_string(&report).map_err(|error| failed(error.into()))?;
        format!("{json}\n")
    } else {
        driver::text::wrk(&report)
    };
    stdout().write_all(text.as_bytes()).map_err(|error| failed(error.into()))?;
    if interrupted() {
        return Ok(ExitCode::from(130));
    }
    if report.connect.established == 0 && report.requests == 0 {
        let mut errors = report.errors_before.clone();
        errors.merge(&report.errors);
        let errors = errors.list();
        return Err(failed(anyhow::anyhow!("no connection was ever answered ({errors})")));
    }
    if !report.verdict.invalid.is_empty() {
        return Ok(ExitCode::from(3));
    }
    if args.strict && !report.verdict.driver_bound.is_empty() {
        return Ok(ExitCode::from(4));
    }
    Ok(ExitCode::SUCCESS)
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
