//! A report as text, in wrk's layout to the space, so that scripts written for wrk read it too.
//!
//! The unit formatters follow wrk's `units.c`: a value moves to the next unit at 85 % of it, so
//! 860 µs reads `0.86ms` and a run of a minute `1m`. What wrk has no line for comes after its last
//! line.

use std::fmt::Write as _;

use crate::report::{Latency, OpenLoop, Report, Thread};

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
    if config.pipeline > 1 {
        writeln!(out, "Pipelining:   {} requests in flight on each connection", config.pipeline)?;
    }
    if !config.keepalive {
        writeln!(out, "Keep-alive:   off, latency includes opening a connection for each request")?;
    }
    if let Some(open_loop) = &report.open_loop {
        write_open_loop(out, report, open_loop)?;
    }
    if let Some(service) = &report.service {
        write_latency(out, "Service time:", service)?;
    }
    write_latency(out, "First byte:", &report.ttfb)?;
    write_latency(out, "Connect:", &report.connect.latency)?;
    write_driver(out, report)?;
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
    if report.lost > 0 {
        writeln!(out, "Lost:         {} connections, not opened again", report.lost)?;
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
    for reason in &report.verdict.invalid {
        writeln!(out, "Invalid:      {reason}")?;
    }
    for reason in &report.verdict.driver_bound {
        writeln!(out, "Driver-bound: {reason}")?;
    }
    Ok(())
}

/// How well the schedule was kept.
fn write_open_loop(out: &mut String, report: &Report, open_loop: &OpenLoop) -> std::fmt::Result {
    let rate = report.config.rate.map_or_else(String::new, |rate| {
        let (from, to) = (count(rate.from), count(rate.to));
        if from == to { from } else { format!("{from}..{to}") }
    });
    writeln!(
        out,
        "Open loop:    {rate} requests/sec, {} of {} sent; {} late at most, {} on average",
        open_loop.sent,
        open_loop.scheduled,
        latency(open_loop.lag.max_s),
        latency(open_loop.lag.mean_s)
    )
}

fn write_latency(out: &mut String, name: &str, histogram: &Latency) -> std::fmt::Result {
    if histogram.count() == 0 {
        return Ok(());
    }
    let [median, late] = [50.0, 99.0].map(|percentile| latency(histogram.percentile(percentile)));
    writeln!(
        out,
        "{name:<14}mean {}, 50% {median}, 99% {late}, max {}",
        latency(histogram.mean()),
        latency(histogram.max())
    )
}

/// What the measurement took of the driver's own machine.
fn write_driver(out: &mut String, report: &Report) -> std::fmt::Result {
    let checks = &report.checks;
    if report.requests == 0 {
        return Ok(());
    }
    write!(out, "Driver:       {:.0}% busy, ", 100.0 * checks.busy)?;
    if report.open_loop.is_some() {
        // Its CPU time says nothing of what a request costs.
        out.push_str("waiting awake for the next send included");
    } else {
        write!(out, "{} of CPU a request", latency(checks.cpu_s / report.requests as f64))?;
    }
    if let Some(share) = checks.receive_queue {
        write!(out, ", {:.0}% of answers unread", 100.0 * share)?;
    }
    writeln!(out)
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
    use crate::report::Verdict;
    use crate::report::fixture::report;
    use crate::report::{Lag, Rate};

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
Driver:       5% busy, 25.00ms of CPU a request
"
        );
    }

    #[test]
    fn what_kind_of_load_it_was_is_said_after_wrks_lines() {
        let mut report = report();
        report.config.pipeline = 8;
        report.config.keepalive = false;
        report.config.rate = Some(Rate { from: 100.0, to: 20_000.0 });
        report.service = Some(report.latency.clone());
        report.ttfb = report.latency.clone();
        report.connect.latency = report.latency.clone();
        report.checks.receive_queue = Some(0.031);
        report.open_loop = Some(OpenLoop {
            begin_monotonic_s: 0.0,
            scheduled: 1000,
            sent: 999,
            achieved: 0.999,
            lag: Lag { mean_s: 20e-6, max_s: 3e-3 },
            own_lag: Lag::default(),
        });
        let text = wrk(&report);
        let (_, ours) = text.split_once("Transfer/sec:").expect("wrk's last line");
        let ours = ours.split_once('\n').expect("its end").1;
        assert_eq!(
            ours,
            "\
Pipelining:   8 requests in flight on each connection
Keep-alive:   off, latency includes opening a connection for each request
Open loop:    100.00..20.00k requests/sec, 999 of 1000 sent; 3.00ms late at most, 20.00us on average
Service time: mean 299.96us, 50% 100.03us, 99% 0.90ms, max 0.90ms
First byte:   mean 299.96us, 50% 100.03us, 99% 0.90ms, max 0.90ms
Connect:      mean 299.96us, 50% 100.03us, 99% 0.90ms, max 0.90ms
Driver:       5% busy, waiting awake for the next send included, 3% of answers unread
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
        report.verdict = Verdict::of(&report);
        let text = wrk(&report);
        let (wrks, ours) = text.split_once("Transfer/sec:").expect("wrk's last line");
        assert!(wrks.contains("  Socket errors: connect 0, read 3, write 0, timeout 0\n"));
        assert!(wrks.contains("  Non-2xx or 3xx responses: 7\n"));
        for line in [
            "Errors:       read reset 3, wrong body 2, status 500 7",
            "Before it:    connect refused 1 (while",
            "Connections:  1 established of 2",
            "Little's law: off by -25.0 %",
            "Driver-bound: its threads used 97 % of the CPUs",
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
}
