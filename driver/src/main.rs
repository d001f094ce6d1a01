//! `driver`: parse, check the limits, run, print.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser as _;
use driver::args::Args;
use driver::limits::Limits;
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
    let mut addresses: Vec<_> = load.endpoints.iter().map(|endpoint| endpoint.address).collect();
    addresses.sort();
    addresses.dedup();
    Limits::of_host()
        .check(args.connections, args.threads, addresses.len() as u32)
        .map_err(|error| usage(error.into()))?;

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
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    };
    let report = run::run(args, load, interrupted, watch).map_err(|error| failed(error.into()))?;

    if args.json {
        let json = serde_json::to_string(&report).map_err(|error| failed(error.into()))?;
        println!("{json}");
    } else {
        print!("{}", driver::text::wrk(&report));
    }
    if interrupted() {
        return Ok(ExitCode::from(130));
    }
    if report.connect.established == 0 {
        let errors = report.errors_before.list();
        return Err(failed(anyhow::anyhow!("no connection was ever answered ({errors})")));
    }
    Ok(ExitCode::SUCCESS)
}
