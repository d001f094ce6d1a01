//! Our driver, called and read as the others are.

use ::driver::report::Report;

use super::generator::{Found, Generator, Load, Unreadable, words};

pub const GENERATOR: Generator =
    Generator { name: "driver", get: "cargo build --release --package driver", arguments, read };

fn arguments(load: &Load<'_>) -> Vec<String> {
    words([
        "--duration",
        &load.seconds.to_string(),
        "--connections",
        &load.connections.to_string(),
        "--threads",
        &load.threads.to_string(),
        "--scenario",
        super::SCENARIO,
        "--json",
        load.url,
    ])
}

fn read(output: &str) -> Result<Found, Unreadable> {
    let report: Report = serde_json::from_str(output)
        .map_err(|reason| Unreadable::Json { reason, output: output.to_owned() })?;
    Ok(Found {
        requests: report.requests,
        seconds: report.window_s,
        latency: Some(report.latency.mean()),
        errors: report.errors_in_all(),
    })
}
