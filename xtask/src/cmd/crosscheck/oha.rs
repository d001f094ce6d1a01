//! oha: a task for each connection, on an asynchronous runtime.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::generator::{Found, Generator, Load, Unreadable, words};

pub const GENERATOR: Generator =
    Generator { name: "oha", get: "cargo install oha or brew install oha", arguments, read };

/// What it calls a request that was under way at the end: not an error.
const IN_FLIGHT: &str = "aborted due to deadline";

/// The part of its JSON that is used here.
#[derive(Deserialize)]
struct Output {
    summary: Summary,
    #[serde(rename = "statusCodeDistribution")]
    statuses: BTreeMap<String, u64>,
    #[serde(rename = "errorDistribution")]
    errors: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Summary {
    /// Seconds. Its own rate, over the same time, counts what was still in flight.
    total: f64,
    /// Seconds; null when nothing was completed.
    average: Option<f64>,
}

fn arguments(load: &Load<'_>) -> Vec<String> {
    words([
        "--no-tui",
        "--output-format",
        "json",
        "--worker-threads",
        &load.threads.to_string(),
        "-c",
        &load.connections.to_string(),
        "-z",
        &format!("{}s", load.seconds),
        "-m",
        "POST",
        "-T",
        "application/json",
        "-D",
        load.body,
        load.url,
    ])
}

fn read(output: &str) -> Result<Found, Unreadable> {
    let found: Output = serde_json::from_str(output)
        .map_err(|reason| Unreadable::Json { reason, output: output.to_owned() })?;
    let is_right = |status: &str| status.starts_with(['2', '3']);
    let (right, wrong): (Vec<_>, Vec<_>) =
        found.statuses.iter().partition(|(status, _)| is_right(status));
    let errors = found.errors.iter().filter(|(what, _)| *what != IN_FLIGHT);
    Ok(Found {
        requests: right.into_iter().map(|(_, count)| count).sum(),
        seconds: found.summary.total,
        latency: found.summary.average,
        errors: wrong.into_iter().chain(errors).map(|(_, count)| count).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = r#"{
  "summary": {
    "successRate": 1.0,
    "total": 2.006971219,
    "slowest": 0.030109465,
    "fastest": 0.002189751,
    "average": 0.004018806696785111,
    "requestsPerSec": 98789.65783016542,
    "totalData": 4948225,
    "sizePerRequest": 25,
    "sizePerSec": 2465518.664719825
  },
  "statusCodeDistribution": {
    "200": 197929
  },
  "errorDistribution": {
    "aborted due to deadline": 339
  }
}"#;

    const NOTHING: &str = r#"{
  "summary": {
    "successRate": null,
    "total": 5.311536127,
    "slowest": null,
    "fastest": null,
    "average": null,
    "requestsPerSec": 3746.562110129087,
    "totalData": 0,
    "sizePerRequest": null,
    "sizePerSec": 0.0
  },
  "statusCodeDistribution": {},
  "errorDistribution": {
    "aborted due to deadline": 19900
  }
}"#;

    const FAILED: &str = r#"{
  "summary": { "total": 1.005009297, "average": 0.000159 },
  "statusCodeDistribution": { "404": 12521 },
  "errorDistribution": { "Connection refused (os error 111)": 42862 }
}"#;

    #[test]
    fn what_was_in_flight_at_the_end_is_neither_throughput_nor_an_error() {
        let found = read(OUTPUT).unwrap();
        let latency = Some(0.004_018_806_696_785_111);
        assert_eq!(found, Found { requests: 197_929, seconds: 2.006_971_219, latency, errors: 0 });
    }

    #[test]
    fn nothing_completed_is_no_error() {
        let found = read(NOTHING).unwrap();
        assert_eq!((found.requests, found.latency, found.errors), (0, None, 0));
    }

    #[test]
    fn error_statuses_and_failed_connections_are_errors() {
        let found = read(FAILED).unwrap();
        assert_eq!((found.requests, found.errors), (0, 55_383));
    }
}
