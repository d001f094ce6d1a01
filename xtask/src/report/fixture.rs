//! Synthetic runs for the tests of whatever reads a results folder.

use driver::report::{Checks, Config, Connect, Errors, Latency, Report, Thread, Verdict};

use crate::config::manifest::Tuning;
use crate::conformance::{CaseResult, Level};
use crate::host::placement::Placement;
use crate::results::record::*;

/// Builds a run cell by cell; each cell is measured in every round.
pub struct Builder {
    pub run: Run,
    pub samples: Vec<Sample>,
}

impl Builder {
    pub fn new(rounds: u32) -> Self {
        Self {
            run: Run {
                schema: SCHEMA,
                id: "20261120-234247".into(),
                created_at: "2026-11-20T23:42:47Z".parse().expect("a timestamp"),
                command: ["cargo", "xtask", "bench", "--suite", "default"]
                    .map(str::to_owned)
                    .into(),
                options: Options {
                    suite: "default".into(),
                    duration_s: 3.0,
                    warmup_s: 1.0,
                    timeout_s: 2.0,
                    rounds,
                    seed: 42,
                },
                host: serde_json::from_value(
                    serde_json::json!({"cores": [[0], [1], [2], [3]], "sysctls": {}}),
                )
                .expect("a host that tells little"),
                placement: Placement { server: vec![0], driver: vec![2, 3], warnings: Vec::new() },
                servers: Vec::new(),
                plan: Vec::new(),
            },
            samples: Vec::new(),
        }
    }

    pub fn server(mut self, name: &str, display: &str, version: &str) -> Self {
        self.run.servers.push(Server {
            name: name.into(),
            display: display.into(),
            language: "Rust".into(),
            framework: display.into(),
            version: version.into(),
            problem: None,
            other_threads: "1: main, which sleeps".into(),
            tuning: vec![Tuning {
                setting: "listen backlog".into(),
                default: "128".into(),
                value: "4096".into(),
                why: "the same for every server".into(),
            }],
            variants: vec![Variant {
                name: "serde_json".into(),
                conformance: vec![
                    case("get-is-405", Level::Scored, None),
                    case("split-body", Level::Required, None),
                ],
                problem: None,
            }],
        });
        self
    }

    /// A cell that answers about `rate` requests a second, a little different in each round.
    pub fn cell(mut self, server: &str, variant: &str, connections: u32, rate: f64) -> Self {
        for round in 1..=self.run.options.rounds {
            let step = Step {
                round,
                cell: Cell {
                    server: server.into(),
                    variant: variant.into(),
                    scenario: "ping".into(),
                    connections,
                    threads: 1,
                },
            };
            let noise = [0.0, 0.004, -0.003, 0.002, -0.004, 0.001][round as usize % 6];
            self.samples.push(Sample {
                schema: SCHEMA,
                step: step.clone(),
                started_at: self.run.created_at,
                outcome: Outcome::Measured(Box::new(measurement(
                    round,
                    connections,
                    rate * (1.0 + noise),
                ))),
            });
            self.run.plan.push(step);
        }
        self
    }

    /// Changes every measurement so far.
    pub fn change_all(&mut self, change: impl Fn(&mut Measurement)) {
        for sample in &mut self.samples {
            if let Outcome::Measured(measurement) = &mut sample.outcome {
                change(measurement);
            }
        }
    }

    /// Changes the measurements of the last cell.
    pub fn change(mut self, change: impl Fn(&mut Measurement)) -> Self {
        let rounds = self.run.options.rounds as usize;
        let first = self.samples.len() - rounds;
        for sample in &mut self.samples[first..] {
            if let Outcome::Measured(measurement) = &mut sample.outcome {
                change(measurement);
                measurement.driver.verdict = Verdict::of(&measurement.driver);
            }
        }
        self
    }

    /// Makes the given rounds of the last cell fail.
    pub fn fail(mut self, rounds: &[u32], problem: &Problem) -> Self {
        let first = self.samples.len() - self.run.options.rounds as usize;
        for sample in &mut self.samples[first..] {
            if rounds.contains(&sample.step.round) {
                sample.outcome = Outcome::Failed(problem.clone());
            }
        }
        self
    }
}

fn case(name: &str, level: Level, miss: Option<&str>) -> CaseResult {
    CaseResult {
        case: name.into(),
        level,
        miss: miss.map(str::to_owned),
        declared: miss.map(|_| "the framework cannot".into()),
    }
}

fn measurement(round: u32, connections: u32, rate: f64) -> Measurement {
    let window_s = 3.0;
    let requests = (rate * window_s) as u64;
    let mean_ns = f64::from(connections) / rate * 1e9;
    let mut latency = Latency::new();
    // A narrow body and a thin tail, with the mean that Little's law asks for.
    for (share, factor) in [(0.5, 0.9), (0.4, 1.05), (0.09, 1.2), (0.009, 2.0), (0.001, 4.0)] {
        latency
            .0
            .record_n((mean_ns * factor) as u64, (requests as f64 * share) as u64)
            .expect("within the bounds");
    }
    Measurement {
        driver: Report {
            schema: driver::report::SCHEMA,
            version: "0.1.0".into(),
            config: Config {
                targets: vec!["http://127.0.0.1:8080/ping".into()],
                method: "POST".into(),
                scenario: Some("ping".into()),
                sources: Vec::new(),
                connections,
                threads: 1,
                pipeline: 1,
                keepalive: true,
                rate: None,
                shard: None,
                start_at: None,
                duration_s: window_s,
                warmup_s: 1.0,
                timeout_s: 2.0,
                deadline_s: None,
            },
            started_at: jiff::Timestamp::from_second(i64::from(round)).expect("in range"),
            window_s,
            connect: Connect { established: connections, ramp_s: 0.01, latency: Latency::new() },
            requests,
            bytes_read: requests * 130,
            ttfb: latency.clone(),
            latency,
            service: None,
            open_loop: None,
            errors: Errors::default(),
            errors_before: Errors::default(),
            in_flight_at_end: u64::from(connections),
            unanswered: 0,
            reconnects: 0,
            lost: 0,
            intervals: Vec::new(),
            threads: vec![Thread {
                connections,
                requests,
                cpu_s: 0.5 * window_s,
                involuntary_switches: 0,
                per_tenth: (0..30).map(|i| (rate / 10.0) as u32 + i).collect(),
            }],
            checks: Checks {
                littles_residual: Some(0.001),
                busy: 0.5,
                cpu_s: 0.5 * window_s,
                receive_queue: Some(0.1),
                peak_rss: 8 << 20,
            },
            verdict: Verdict::default(),
        },
        server: Usage {
            cpu_s: requests as f64 * 10e-6,
            peak_rss: (5 << 20) + u64::from(connections) * 4096,
            threads: 2,
            voluntary_switches: 1000,
            involuntary_switches: 10,
        },
        instances: connections.div_ceil(15_000),
        listen_overflows: 0,
    }
}

/// A run with a bit of everything: ties, each kind of failure, marks.
fn everything() -> Builder {
    let crash = Problem {
        stage: Stage::Measure,
        message: "the server exited inside the window: signal 11 (SIGSEGV)".into(),
        stderr_tail: "thread 'main' has overflowed its stack\nfatal runtime error".into(),
    };
    let mut builder = Builder::new(6)
        .server("axum", "axum", "0.8.9")
        .server("hyper", "hyper", "1.12.0")
        .server("may-minihttp", "may_minihttp", "0.1.11")
        .server("express", "Express", "")
        .cell("axum", "serde_json", 2, 52_000.0)
        .cell("hyper", "serde_json", 2, 60_000.0)
        .cell("may-minihttp", "serde_json", 2, 60_100.0)
        .cell("axum", "serde_json", 400, 101_000.0)
        .cell("hyper", "serde_json", 400, 132_936.53)
        .change(|m| {
            m.driver.checks.busy = 0.98;
            m.driver.threads[0].cpu_s = 0.98 * m.driver.window_s;
            m.server.cpu_s = 0.8 * m.driver.window_s;
        })
        .cell("may-minihttp", "serde_json", 400, 140_000.0)
        .fail(&[1, 2, 3, 4, 5, 6], &crash)
        .cell("axum", "serde_json", 20_000, 80_000.0)
        .change(|m| {
            m.driver.errors.timeout = 3;
            m.driver.errors_before.connect.refused = 2;
        })
        .cell("hyper", "serde_json", 20_000, 98_000.0)
        .cell("may-minihttp", "serde_json", 20_000, 90_000.0)
        .fail(&[3], &crash);
    let servers = &mut builder.run.servers;
    servers[2].variants[0].conformance[0] = case("get-is-405", Level::Scored, Some("200"));
    servers[3].problem = Some(Problem {
        stage: Stage::Requirements,
        message: "`node` is not installed; get it with `apt install nodejs npm`".into(),
        stderr_tail: String::new(),
    });
    servers[3].variants.clear();
    builder
}

pub fn run() -> Run {
    everything().run
}

pub fn samples() -> Vec<Sample> {
    everything().samples
}
