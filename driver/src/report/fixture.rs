//! A report to test with.

use super::{Checks, Config, Connect, Errors, Latency, Report, SCHEMA, Thread, Verdict};

/// A run without fault: four requests in two seconds.
pub fn report() -> Report {
    let mut latency = Latency::new();
    for micros in [100, 100, 100, 900] {
        latency.0 += micros * 1000;
    }
    Report {
        schema: SCHEMA,
        version: "0.0.0".into(),
        config: Config {
            targets: vec!["http://127.0.0.1:8080/ping".into()],
            method: "POST".into(),
            scenario: Some("ping".into()),
            sources: Vec::new(),
            connections: 2,
            threads: 1,
            pipeline: 1,
            keepalive: true,
            rate: None,
            shard: None,
            start_at: None,
            duration_s: 2.0,
            warmup_s: 1.0,
            timeout_s: 2.0,
            deadline_s: None,
        },
        started_at: jiff::Timestamp::UNIX_EPOCH,
        window_s: 2.0,
        connect: Connect { established: 2, ramp_s: 0.1, latency: Latency::new() },
        requests: 4,
        bytes_read: 400,
        latency,
        service: None,
        ttfb: Latency::new(),
        open_loop: None,
        errors: Errors::default(),
        errors_before: Errors::default(),
        in_flight_at_end: 2,
        unanswered: 0,
        reconnects: 0,
        lost: 0,
        intervals: Vec::new(),
        threads: vec![Thread {
            connections: 2,
            requests: 4,
            cpu_s: 0.1,
            involuntary_switches: 0,
            per_tenth: vec![1, 1, 2],
        }],
        checks: Checks {
            littles_residual: Some(0.001),
            busy: 0.05,
            cpu_s: 0.1,
            receive_queue: None,
            peak_rss: 1 << 20,
        },
        verdict: Verdict::default(),
    }
}
