//! A report as text, in wrk's layout to the space, so that scripts written for wrk read it too.
//!
//! The unit formatters follow wrk's `units.c`: a value moves to the next unit at 85 % of it, so
//! 860 µs reads `0.86ms` and a run of a minute `1m`. What wrk has no line for comes after its last
//! line, and only when there is something to say.

use std::fmt::Write as _;

use crate::report::{Report, Thread, Verdict};

/// The share of a unit from which a value is shown in that unit.
const NEXT_UNIT: f64 = 0.85;

/// A latency as wrk writes it: `12.43us`, `3.10ms`, `1.73s`.
pub fn latency(seconds: f64) -> String {
    if seconds >= 1.0 {
        scaled(seconds, 60.0, &["s", "m"], 2)
    } else {
        scaled(seconds * 1e6, 1000.0, &["us", "ms"], 2)
    }
}

/// A number of bytes as wrk writes it, in powers of 1024: `427.49MB`.
pub fn bytes(count: f64) -> String {
    scaled(count, 1024.0, &["B", "KB", "MB", "GB", "TB"], 2)
}

/// A count as wrk writes it: `166.51k`.
pub fn count(count: f64) -> String {
    scaled(count, 1000.0, &["", "k", "M", "G", "T"], 2)
}

/// A length of time that was asked for: `10s`, `1m`. wrk only takes whole seconds; a fraction is
/// written out.
fn duration(seconds: f64) -> String {
    if seconds.fract() == 0.0 {
        scaled(seconds, 60.0, &["s", "m"], 0)
    } else {
        format!("{seconds}s")
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str], decimals: usize) -> String {
    let mut unit = 0;
    while unit + 1 < units.len() && value >= step * NEXT_UNIT {
        value /= step;
        unit += 1;
    }
    format!("{value:.decimals$}{}", units[unit])
}

/// The report in wrk's layout (`wrk --latency`).
pub fn wrk(report: &Report) -> String {
    let mut text = String::new();
    write_wrk(&mut text, report).expect("writing to a String does not fail");
    write_more(&mut text, report).expect("writing to a String does not fail");
    text
}

fn write_wrk(out: &mut String, report: &Report) -> std::fmt::Result {
    let config = &report.config;
    let target = config.targets.first().map_or("", String::as_str);
    writeln!(out, "Running {} test @ {target}", duration(config.duration_s))?;
    writeln!(out, "  {} threads and {} connections", config.threads, config.connections)?;
    writeln!(out, "  Thread Stats{:>6}{:>11}{:>8}{:>12}", "Avg", "Stdev", "Max", "+/- Stdev")?;

    let hist = &report.latency;
    let within = 100.0 * within_one_stdev(report);
    write_stats(out, "Latency", [hist.mean(), hist.stdev(), hist.max()].map(latency), within)?;
    let rates = Rates::of(&report.threads);
    write_stats(
        out,
        "Req/Sec",
        [rates.mean, rates.stdev, rates.max].map(count),
        100.0 * rates.within,
    )?;

    writeln!(out, "  Latency Distribution")?;
    for percentile in [50.0, 75.0, 90.0, 99.0] {
        let value = column(&latency(hist.percentile(percentile)), 10);
        writeln!(out, "{percentile:>7.0}%{value}")?;
    }

    writeln!(
        out,
        "  {} requests in {}, {} read",
        report.requests,
        latency(report.window_s),
        bytes(report.bytes_read as f64)
    )?;
    let errors = &report.errors;
    let (connect, read) = (errors.connect.total(), errors.read.total());
    if [connect, read, errors.write, errors.timeout] != [0; 4] {
        writeln!(
            out,
            "  Socket errors: connect {connect}, read {read}, write {}, timeout {}",
            errors.write, errors.timeout
        )?;
    }
    let status = errors.status_total();
    if status > 0 {
        writeln!(out, "  Non-2xx or 3xx responses: {status}")?;
    }
    writeln!(out, "Requests/sec: {:>9.2}", report.rate())?;
    writeln!(out, "Transfer/sec: {:>11}", bytes(report.transfer()))
}

/// What wrk has no line for.
fn write_more(out: &mut String, report: &Report) -> std::fmt::Result {
    let config = &report.config;
    if config.targets.len() > 1 {
        writeln!(out, "Targets:      {}", config.targets.join(", "))?;
    }
    if report.errors.total() > 0 {
        writeln!(out, "Errors:       {}", report.errors.list())?;
    }
    if report.errors_before.total() > 0 {
        writeln!(
            out,
            "Before it:    {} (while connecting and warming up)",
            report.errors_before.list()
        )?;
    }
    let established = report.connect.established;
    if established != config.connections {
        writeln!(out, "Connections:  {established} established of {}", config.connections)?;
    }
    if report.reconnects > 0 {
        writeln!(out, "Reconnects:   {} inside the window", report.reconnects)?;
    }
    if report.unanswered > 0 {
        writeln!(out, "Unanswered:   {} requests, when the drain ended", report.unanswered)?;
    }
    let checks = &report.checks;
    if let Some(residual) = checks.littles_residual
        && !checks.littles_law_holds()
    {
        writeln!(
            out,
            "Little's law: off by {:+.1} %, so rate and latency do not describe the same load",
            100.0 * residual
        )?;
    }
    let verdict = Verdict::of(report);
    for reason in &verdict.invalid {
        writeln!(out, "Invalid:      {reason}")?;
    }
    for reason in &verdict.driver_bound {
        writeln!(out, "Driver-bound: {reason}")?;
    }
    Ok(())
}

fn write_stats(
    out: &mut String,
    name: &str,
    [mean, stdev, max]: [String; 3],
    within: f64,
) -> std::fmt::Result {
    writeln!(
        out,
        "    {name:<10}{}{}{}{within:>8.2}%",
        column(&mean, 8),
        column(&stdev, 10),
        column(&max, 9)
    )
}

/// `value` in a column of `width` in which the digits line up: where a unit has fewer than two
/// letters, spaces stand in for them.
fn column(value: &str, width: usize) -> String {
    let letters = value.chars().rev().take(2).filter(char::is_ascii_alphabetic).count();
    let pad = 2 - letters;
    format!("{value:>0$}{1:2$}", width - pad, "", pad)
}

/// The share of latencies within one standard deviation of the mean; 0 when there are none.
fn within_one_stdev(report: &Report) -> f64 {
    let histogram = &report.latency.0;
    if histogram.is_empty() {
        return 0.0;
    }
    let (mean, stdev) = (histogram.mean(), histogram.stdev());
    let within: u64 = histogram
        .iter_recorded()
        // The mean was taken over the middle of each bucket, so the distance is as well.
        .filter(|bucket| {
            let middle = histogram.median_equivalent(bucket.value_iterated_to());
            (middle as f64 - mean).abs() <= stdev
        })
        .map(|bucket| bucket.count_at_value())
        .sum();
    within as f64 / histogram.len() as f64
}

/// Requests per second of one thread, over all threads and tenths of a second.
struct Rates {
    mean: f64,
    stdev: f64,
    max: f64,
    within: f64,
}

impl Rates {
    fn of(threads: &[Thread]) -> Self {
        let rates: Vec<f64> = threads
            .iter()
            .flat_map(|thread| &thread.per_tenth)
            .map(|requests| f64::from(*requests) * 10.0)
            .collect();
        let n = rates.len() as f64;
        if rates.is_empty() {
            return Self { mean: 0.0, stdev: 0.0, max: 0.0, within: 0.0 };
        }
        let mean = rates.iter().sum::<f64>() / n;
        let squares: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
        let stdev = if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        let within = rates.iter().filter(|rate| (*rate - mean).abs() <= stdev);
        Self {
            mean,
            stdev,
            max: rates.iter().copied().fold(0.0, f64::max),
            within: within.count() as f64 / n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Checks, Config, Connect, Errors, Latency, SCHEMA};

    #[test]
    fn units_change_where_wrk_changes_them() {
        assert_eq!(latency(0.0), "0.00us");
        assert_eq!(latency(12.43e-6), "12.43us");
        assert_eq!(latency(849.9e-6), "849.90us");
        assert_eq!(latency(850e-6), "0.85ms");
        assert_eq!(latency(3.1e-3), "3.10ms");
        assert_eq!(latency(0.87987), "879.87ms");
        assert_eq!(latency(1.73), "1.73s");
        assert_eq!(latency(10.1), "10.10s");
        assert_eq!(latency(60.0), "1.00m");
        assert_eq!(bytes(512.0), "512.00B");
        assert_eq!(bytes(448_255_754.0), "427.49MB");
        assert_eq!(count(980.0), "0.98k");
        assert_eq!(count(166_510.0), "166.51k");
        assert_eq!(duration(10.0), "10s");
        assert_eq!(duration(60.0), "1m");
        assert_eq!(duration(0.5), "0.5s");
    }

    /// Lines that wrk itself printed.
    #[test]
    fn columns_line_up_as_in_wrk() {
        let mut out = String::new();
        let row = |name, values: [&str; 3], within| {
            let mut line = String::new();
            write_stats(&mut line, name, values.map(str::to_owned), within)
                .expect("writing to a String does not fail");
            line
        };
        out += &row("Latency", ["29.17us", "4.49us", "1.36ms"], 92.57);
        out += &row("Req/Sec", ["67.51k", "3.69k", "80.86k"], 77.37);
        out += &row("Latency", ["95.10ms", "141.27ms", "1.73s"], 90.0);
        assert_eq!(
            out,
            "    Latency    29.17us    4.49us   1.36ms   92.57%\n    \
                 Req/Sec    67.51k     3.69k   80.86k    77.37%\n    \
                 Latency    95.10ms  141.27ms   1.73s    90.00%\n"
        );
    }

    fn report() -> Report {
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

    #[test]
    fn a_clean_run_reads_as_wrk_would_print_it() {
        assert_eq!(
            wrk(&report()),
            "\
Running 2s test @ http://127.0.0.1:8080/ping
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   299.96us  346.34us   0.90ms   75.00%
    Req/Sec    13.33      5.77    20.00     66.67%
  Latency Distribution
     50%  100.03us
     75%  100.03us
     90%    0.90ms
     99%    0.90ms
  4 requests in 2.00s, 400.00B read
Requests/sec:      2.00
Transfer/sec:     200.00B
"
        );
    }

    #[test]
    fn what_went_wrong_is_said_after_wrks_lines() {
        let mut report = report();
        report.errors.read.reset = 3;
        report.errors.body = 2;
        report.errors.status.insert(500, 7);
        report.errors_before.connect.refused = 1;
        report.connect.established = 1;
        report.checks.littles_residual = Some(-0.25);
        report.checks.busy = 0.97;
        let text = wrk(&report);
        let (wrks, ours) = text.split_once("Transfer/sec:").expect("wrk's last line");
        assert!(wrks.contains("  Socket errors: connect 0, read 3, write 0, timeout 0\n"));
        assert!(wrks.contains("  Non-2xx or 3xx responses: 7\n"));
        for line in [
            "Errors:       read reset 3, wrong body 2, status 500 7",
            "Before it:    connect refused 1 (while",
            "Connections:  1 established of 2",
            "Little's law: off by -25.0 %",
            "Driver-bound: a thread used 97 % of a core",
        ] {
            assert!(ours.contains(line), "{line:?} not in {ours}");
        }
    }

    #[test]
    fn nothing_measured_is_zeros_not_nan() {
        let mut empty = report();
        empty.latency = Latency::new();
        empty.threads.clear();
        empty.requests = 0;
        empty.window_s = 0.0;
        let text = wrk(&empty);
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn merged_runs_read_as_one_longer_run() {
        let mut merged = report();
        let mut other = report();
        other.requests = 8;
        other.connect.established = 1;
        other.checks.littles_residual = Some(-0.01);
        other.errors.status.insert(503, 1);
        merged.append(&other);
        assert_eq!(merged.requests, 12);
        assert_eq!(merged.rate(), 3.0);
        assert_eq!(merged.latency.count(), 8);
        assert_eq!(merged.connect.established, 1);
        assert_eq!(merged.checks.littles_residual, Some(-0.01));
        assert_eq!(merged.errors.list(), "status 503 1");
        assert_eq!(merged.threads[0].per_tenth, [1, 1, 2, 1, 1, 2]);
    }

    #[test]
    fn a_histogram_that_counts_the_impossible_is_not_read() {
        let mut latency = Latency::new();
        latency.0.record_n(1000, 1 << 60).expect("within the bounds");
        let json = serde_json::to_string(&latency).expect("serializable");
        let error = serde_json::from_str::<Latency>(&json).expect_err("2^60 requests");
        assert!(error.to_string().contains("counts 1152921504606846976"), "{error}");
    }

    #[test]
    fn counts_from_a_file_cannot_overflow() {
        let mut merged = report();
        merged.requests = u64::MAX;
        merged.errors.write = u64::MAX;
        merged.errors.status.insert(500, u64::MAX);
        let other = merged.clone();
        merged.append(&other);
        assert_eq!(merged.requests, u64::MAX);
        assert_eq!(merged.errors.total(), u64::MAX);
    }
}
