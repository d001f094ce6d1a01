//! A finished run in Prometheus' text format, for the node exporter's textfile collector or a push
//! gateway. All of it are gauges and summaries: a file stands for one run, and the next run's values
//! do not go on from there.

use std::fmt::{self, Display, Write as _};

use crate::report::{Latency, Report};

const QUANTILES: [f64; 6] = [0.5, 0.75, 0.9, 0.99, 0.999, 0.9999];

pub fn metrics(report: &Report) -> String {
    let mut text = String::new();
    write(&mut text, report).expect("writing to a String does not fail");
    text
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    let (config, checks) = (&report.config, &report.checks);
    head(out, "run_info", "gauge", "What was measured: 1")?;
    writeln!(
        out,
        "httpdyno_run_info{{version={},targets={},method={},scenario={}}} 1",
        label(&report.version),
        label(&config.targets.join(" ")),
        label(&config.method),
        label(config.scenario.as_deref().unwrap_or_default())
    )?;
    let started = report.started_at.as_millisecond() as f64 / 1e3;
    gauge(out, "started_at_seconds", "When the measured window opened, since 1970", started)?;
    gauge(out, "window_seconds", "Length of the measured window", report.window_s)?;
    gauge(out, "connections", "Connections asked for", config.connections)?;
    let established = report.connect.established;
    gauge(out, "connections_established", "Connections that answered before it", established)?;
    gauge(out, "requests", "Correct responses inside the window", report.requests)?;
    gauge(out, "requests_per_second", "Correct responses a second", report.rate())?;
    gauge(out, "read_bytes", "Bytes of all responses inside the window", report.bytes_read)?;

    head(out, "errors", "gauge", "Requests and connections that failed, before the window too")?;
    let mut errors = report.errors.clone();
    errors.merge(&report.errors_before);
    for (kind, count) in errors.by_type() {
        writeln!(out, "httpdyno_errors{{type={}}} {count}", label(&kind))?;
    }
    gauge(
        out,
        "reconnects",
        "Connections opened again after the window had opened",
        report.reconnects,
    )?;
    gauge(out, "unanswered", "Requests without an answer when the drain ended", report.unanswered)?;

    summary(
        out,
        "latency_seconds",
        "From when a request was due to its parsed answer",
        &report.latency,
    )?;
    if let Some(service) = &report.service {
        summary(out, "service_seconds", "From a request's write to its parsed answer", service)?;
    }
    summary(
        out,
        "first_byte_seconds",
        "From a request's write to its answer's first byte",
        &report.ttfb,
    )?;
    summary(out, "connect_seconds", "From connect to a writable socket", &report.connect.latency)?;

    if let Some(open_loop) = &report.open_loop {
        gauge(out, "schedule_achieved", "Requests sent / requests due", open_loop.achieved)?;
        gauge(
            out,
            "schedule_lag_max_seconds",
            "How late the latest was sent",
            open_loop.lag.max_s,
        )?;
    }
    if let Some(residual) = checks.littles_residual {
        gauge(out, "littles_residual", "Little's law: 0 is perfect", residual)?;
    }
    gauge(out, "driver_cpu_seconds", "CPU time of the driver inside the window", checks.cpu_s)?;
    gauge(out, "driver_busy", "How busy the driver was: 1 is all it could be", checks.busy)?;
    gauge(out, "driver_peak_rss_bytes", "Peak resident set of the driver", checks.peak_rss)?;
    let yes = |reasons: &[String]| u8::from(!reasons.is_empty());
    let verdict = &report.verdict;
    gauge(out, "invalid", "1 when the load was not the one asked for", yes(&verdict.invalid))?;
    gauge(out, "driver_bound", "1 when the driver was the limit", yes(&verdict.driver_bound))
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP httpdyno_{name} {help}")?;
    writeln!(out, "# TYPE httpdyno_{name} {kind}")
}

fn gauge(out: &mut String, name: &str, help: &str, value: impl Display) -> fmt::Result {
    head(out, name, "gauge", help)?;
    writeln!(out, "httpdyno_{name} {value}")
}

fn summary(out: &mut String, name: &str, help: &str, latency: &Latency) -> fmt::Result {
    head(out, name, "summary", help)?;
    for quantile in QUANTILES {
        let value = latency.percentile(100.0 * quantile);
        writeln!(out, "httpdyno_{name}{{quantile=\"{quantile}\"}} {value}")?;
    }
    let count = latency.count();
    writeln!(out, "httpdyno_{name}_sum {}", latency.mean() * count as f64)?;
    writeln!(out, "httpdyno_{name}_count {count}")
}

/// A label's value, in quotes.
fn label(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
