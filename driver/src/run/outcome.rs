//! What the workers found, as one report.

use std::thread;
use std::time::Duration;

use crate::args::{Args, Load};
use crate::limits;
use crate::pace::Nanos;
use crate::record::Lags;
use crate::report::{
    Checks, Config, Connect, Errors, Interval, Latency, OpenLoop, Report, SCHEMA, Thread, Verdict,
};
use crate::run::Epoch;
use crate::worker::job::Finding;

/// Looks of the probe below which their share says nothing.
const FEWEST_LOOKS: u64 = 100;

/// The report of a run that began its load at `begin`.
pub fn report(
    args: &Args,
    load: Load,
    mut findings: Vec<Finding>,
    epoch: Epoch,
    begin: Nanos,
) -> Report {
    let mut connect = Latency::new();
    let (mut latency, mut ttfb, mut service) = (Latency::new(), Latency::new(), None);
    let (mut errors, mut errors_before) = (Errors::default(), Errors::default());
    for finding in &findings {
        connect.merge(&finding.connect);
        latency.merge(&finding.measured.latency);
        ttfb.merge(&finding.measured.ttfb());
        if let Some(of_worker) = &finding.measured.service {
            service.get_or_insert_with(Latency::new).merge(of_worker);
        }
        errors.merge(&finding.measured.errors);
        errors_before.merge(&finding.before.errors);
    }
    let sum = |of: fn(&Finding) -> u64| findings.iter().map(of).sum::<u64>();
    // The same for all workers, but for the instant at which each noticed an interrupt.
    let window = findings.iter().map(|finding| finding.window.length()).max().unwrap_or(0);
    let connections = findings.iter().map(|finding| finding.connections).sum();
    let checks = checks(&findings, args, window, &latency);
    let mut report = Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        config: Config {
            targets: load.endpoints.into_iter().map(|endpoint| endpoint.url).collect(),
            method: load.method,
            scenario: args.scenario.clone(),
            sources: args.source.iter().map(ToString::to_string).collect(),
            connections,
            threads: args.threads,
            pipeline: args.pipeline,
            keepalive: !args.no_keepalive,
            rate: args.rate.map(|rate| rate.part(connections, args.connections)),
            shard: (args.shard.of > 1).then(|| args.shard.to_string()),
            start_at: args.start_at,
            duration_s: args.duration.as_secs_f64(),
            warmup_s: args.warmup.as_secs_f64(),
            timeout_s: args.timeout.as_secs_f64(),
            deadline_s: args.deadline.map(|deadline| deadline.as_secs_f64()),
        },
        started_at: epoch
            .wall
            .checked_add(Duration::from_nanos(begin) + args.warmup)
            .unwrap_or(epoch.wall),
        window_s: seconds(window),
        connect: Connect {
            established: findings.iter().map(|finding| finding.established).sum(),
            ramp_s: seconds(findings.iter().map(|finding| finding.ramp_end).max().unwrap_or(0)),
            latency: connect,
        },
        requests: sum(|finding| finding.measured.requests),
        bytes_read: sum(|finding| finding.measured.bytes_read),
        latency,
        service,
        ttfb,
        open_loop: args.rate.map(|_| open_loop(&findings, epoch, begin)),
        errors,
        errors_before,
        in_flight_at_end: sum(|finding| finding.window.in_flight_at_end),
        unanswered: sum(|finding| finding.unanswered),
        reconnects: sum(|finding| finding.reconnects),
        lost: sum(|finding| finding.lost),
        checks,
        intervals: intervals(&mut findings),
        threads: findings
            .into_iter()
            .map(|finding| Thread {
                connections: finding.connections,
                requests: finding.measured.requests,
                cpu_s: finding.window.cpu.as_secs_f64(),
                involuntary_switches: finding.window.involuntary_switches,
                per_tenth: finding.measured.per_tenth,
            })
            .collect(),
        verdict: Verdict::default(),
    };
    report.verdict = Verdict::of(&report);
    report
}

fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}

fn checks(findings: &[Finding], args: &Args, window: Nanos, latency: &Latency) -> Checks {
    let window_s = seconds(window);
    let cpu = || findings.iter().map(|finding| finding.window.cpu.as_secs_f64());
    let cpu_s = cpu().sum::<f64>();
    let busiest = cpu().fold(0.0, f64::max);
    // Several workers may share a CPU; then none of them can be busy for the whole window.
    let cpus = thread::available_parallelism().map_or(f64::INFINITY, |cpus| cpus.get() as f64);
    let busy = if window == 0 { 0.0 } else { busiest.max(cpu_s / cpus) / window_s };

    let looks = findings.iter().map(|finding| finding.probe.looks).sum::<u64>();
    let unread = findings.iter().map(|finding| finding.probe.unread).sum::<u64>();
    // It looks only while it works; while it sleeps, nothing is unread.
    let awake = if window == 0 { 0.0 } else { (cpu_s / findings.len() as f64 / window_s).min(1.0) };
    let receive_queue = (looks >= FEWEST_LOOKS).then(|| awake * unread as f64 / looks as f64);

    Checks {
        // In an open loop, connections may have nothing to do.
        littles_residual: args
            .rate
            .is_none()
            .then(|| littles_residual(findings, args.pipeline, window_s, latency)),
        busy,
        cpu_s,
        receive_queue,
        peak_rss: limits::peak_rss(),
    }
}

/// How far the time that the requests were under way is from the time that there was for them.
fn littles_residual(findings: &[Finding], pipeline: u32, window_s: f64, latency: &Latency) -> f64 {
    if window_s == 0.0 {
        return 0.0;
    }
    let sum = |of: fn(&Finding) -> u64| seconds(findings.iter().map(of).sum());
    let under_way = latency.count() as f64 * latency.mean()
        - sum(|finding| finding.window.age_at_open)
        + sum(|finding| finding.window.age_at_close);
    let connections = findings.iter().map(|finding| f64::from(finding.connections)).sum::<f64>();
    under_way / (connections * f64::from(pipeline) * window_s) - 1.0
}

fn open_loop(findings: &[Finding], epoch: Epoch, begin: Nanos) -> OpenLoop {
    let mut lags = Lags::default();
    for finding in findings {
        lags.merge(&finding.lags);
    }
    let scheduled = findings.iter().map(|finding| finding.scheduled).sum();
    OpenLoop {
        begin_monotonic_s: (epoch.monotonic + Duration::from_nanos(begin)).as_secs_f64(),
        scheduled,
        sent: lags.sent,
        achieved: OpenLoop::achieved(lags.sent, scheduled),
        lag: lags.lag(),
        own_lag: lags.own(),
    }
}

/// Those of all workers, added up.
fn intervals(findings: &mut [Finding]) -> Vec<Interval> {
    let mut all: Vec<Interval> = Vec::new();
    for finding in findings {
        let Some(intervals) = finding.measured.intervals.take() else { continue };
        for (index, interval) in intervals.finish(finding.window.began()).into_iter().enumerate() {
            match all.get_mut(index) {
                Some(sum) => sum.join(&interval),
                None => all.push(interval),
            }
        }
    }
    all
}
