//! One run: the workers, from start to report.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::args::{Args, Load};
use crate::job::{Control, Finding, Job, Padded, Target};
use crate::limits;
use crate::pace::{Nanos, Pace};
use crate::report::{Checks, Config, Connect, Errors, Latency, Report, SCHEMA, Thread};
use crate::worker::Worker;

/// A worker keeps little on its stack.
const STACK: usize = 256 * 1024;
/// How often the main thread looks at the workers.
const TICK: Duration = Duration::from_millis(10);

/// What a watcher of the run is told: `{"event":"open"}`, `{"event":"answers","total":123}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// All connections that could be opened are; the load begins.
    Load,
    /// The measured window opens.
    Open,
    /// Right answers so far, warm-up included.
    Answers { total: u64 },
    /// The measured window closed.
    Close,
}

/// A run that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot start a worker thread: {0}")]
    Spawn(io::Error),
    #[error("a worker's event queue failed: {0}")]
    Poll(#[from] io::Error),
    #[error("a worker panicked; this is a bug in the driver")]
    Panic,
}

/// Loads the server as asked. `interrupted` is asked often and ends the run early when it is true;
/// `watch` is told what happens, as it happens.
///
/// # Errors
/// [`RunError`]; nothing that the server does is one.
pub fn run(
    args: &Args,
    load: Load,
    interrupted: impl Fn() -> bool,
    mut watch: impl FnMut(Event),
) -> Result<Report, RunError> {
    let control = Arc::new(Control::new(args.threads));
    // An offset between the two clocks, so that the start of the window can be given as a time.
    let epoch_at = jiff::Timestamp::now();
    let targets: Vec<Target> = load
        .endpoints
        .iter()
        .map(|endpoint| Target { address: endpoint.address, request: endpoint.request.clone() })
        .collect();
    let mut workers = Vec::new();
    for index in 0..args.threads {
        let (first, connections) = share(args.connections, args.threads, index);
        let job = Job {
            index,
            of: args.threads,
            connections,
            first_connection: first,
            targets: targets.clone(),
            sources: Arc::clone(&load.sources),
            to_head: load.method == "HEAD",
            expect: load.expect.clone(),
            pace: Pace::Closed,
            warmup: nanos(args.warmup),
            duration: nanos(args.duration),
            timeout: nanos(args.timeout),
            connect_timeout: nanos(args.connect_timeout),
        };
        let control = Arc::clone(&control);
        let worker = thread::Builder::new().name(format!("worker-{index}")).stack_size(STACK);
        let handle = worker.spawn(move || {
            // Where it is refused, `Limits` counted one table for all.
            limits::own_descriptor_table();
            let ended = CountOnDrop(Arc::clone(&control));
            let finding = Worker::new(job, control).and_then(Worker::run);
            drop(ended);
            finding
        });
        workers.push(handle.map_err(RunError::Spawn)?);
    }
    conduct(args, &control, interrupted, &mut watch);
    let findings = workers
        .into_iter()
        .map(|worker| worker.join().map_err(|_| RunError::Panic)?.map_err(RunError::Poll))
        .collect::<Result<Vec<Finding>, RunError>>()?;
    let begin = control.begin.get().copied().unwrap_or(0);
    let started_at =
        epoch_at.checked_add(Duration::from_nanos(begin) + args.warmup).unwrap_or(epoch_at);
    Ok(report(args, load, findings, started_at))
}

/// Tells the main thread that a worker is over, however it ended.
struct CountOnDrop(Arc<Control>);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// First connection and number of connections of worker `index`.
fn share(connections: u32, threads: u32, index: u32) -> (u32, u32) {
    let (each, rest) = (connections / threads, connections % threads);
    (index * each + index.min(rest), each + u32::from(index < rest))
}

fn nanos(duration: Duration) -> Nanos {
    // `args::duration` takes a year at most, and 584 fit.
    duration.as_nanos() as Nanos
}

/// Starts the load when all workers are ready, and tells the watcher of it until they are done.
fn conduct(
    args: &Args,
    control: &Control,
    interrupted: impl Fn() -> bool,
    watch: &mut impl FnMut(Event),
) {
    let mut at = [
        (Duration::ZERO, Some(Event::Load)),
        (args.warmup, Some(Event::Open)),
        (args.warmup + args.duration, Some(Event::Close)),
    ];
    let mut next_second = Duration::from_secs(1);
    loop {
        if interrupted() {
            control.stop.store(true, Ordering::Relaxed);
        }
        let ended = control.ended.load(Ordering::Relaxed);
        if control.begin.get().is_none() {
            if ended == args.threads {
                return;
            }
            let ready = control.ready.load(Ordering::Relaxed) + ended;
            if ready < args.threads || control.stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
        }
        let begin = *control.begin.get_or_init(|| control.now() + nanos(TICK) / 2);
        let since = Duration::from_nanos(control.now().saturating_sub(begin));
        for (due, event) in &mut at {
            if since >= *due
                && let Some(event) = event.take()
            {
                watch(event);
            }
        }
        // Only now: the workers may be done before this thread wakes up to tell of it.
        if ended == args.threads {
            return;
        }
        if since >= next_second && since < args.warmup + args.duration {
            next_second += Duration::from_secs(1);
            let answers = |counter: &Padded| counter.0.load(Ordering::Relaxed);
            let total = control.progress.iter().map(answers).sum();
            watch(Event::Answers { total });
        }
        // Wake up exactly at the next moment that a watcher is told of.
        let next = at
            .iter()
            .find(|(_, event)| event.is_some())
            .map_or(TICK, |(due, _)| due.saturating_sub(since));
        thread::sleep(next.clamp(Duration::from_micros(50), TICK));
    }
}

fn report(args: &Args, load: Load, findings: Vec<Finding>, started_at: jiff::Timestamp) -> Report {
    let mut connect = Latency::new();
    let mut latency = Latency::new();
    let (mut errors, mut errors_before) = (Errors::default(), Errors::default());
    for finding in &findings {
        connect.merge(&finding.connect);
        latency.merge(&finding.measured.latency);
        errors.merge(&finding.measured.errors);
        errors_before.merge(&finding.before.errors);
    }
    let sum = |of: fn(&Finding) -> u64| findings.iter().map(of).sum::<u64>();
    // The same for all workers, but for the instant at which each noticed an interrupt.
    let window = findings.iter().map(|finding| finding.window.length()).max().unwrap_or(0);
    let window_s = window as f64 / 1e9;
    let requests = sum(|finding| finding.measured.requests);
    let busiest =
        findings.iter().map(|finding| finding.window.cpu.as_secs_f64()).fold(0.0, f64::max);
    let cpu_s = findings.iter().map(|finding| finding.window.cpu.as_secs_f64()).sum::<f64>();
    // Several workers may share a CPU; then none of them can be busy for the whole window.
    let cpus = thread::available_parallelism().map_or(f64::INFINITY, |cpus| cpus.get() as f64);
    let littles_residual = if window == 0 {
        0.0
    } else {
        let nanos = |of: fn(&Finding) -> u64| findings.iter().map(of).sum::<u64>() as f64 / 1e9;
        let under_way = requests as f64 * latency.mean()
            - nanos(|finding| finding.window.age_at_open)
            + nanos(|finding| finding.window.age_at_close);
        under_way / (f64::from(args.connections) * window_s) - 1.0
    };
    Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        config: Config {
            targets: load.endpoints.into_iter().map(|endpoint| endpoint.url).collect(),
            method: load.method,
            scenario: args.scenario.clone(),
            connections: args.connections,
            threads: args.threads,
            duration_s: args.duration.as_secs_f64(),
            warmup_s: args.warmup.as_secs_f64(),
            timeout_s: args.timeout.as_secs_f64(),
        },
        started_at,
        window_s,
        connect: Connect {
            established: findings.iter().map(|finding| finding.established).sum(),
            ramp_s: findings.iter().map(|finding| finding.ramp_end).max().unwrap_or(0) as f64 / 1e9,
            latency: connect,
        },
        requests,
        bytes_read: sum(|finding| finding.measured.bytes_read),
        latency,
        errors,
        errors_before,
        in_flight_at_end: sum(|finding| finding.window.in_flight_at_end),
        unanswered: sum(|finding| finding.unanswered),
        reconnects: sum(|finding| finding.reconnects),
        checks: Checks {
            littles_residual,
            busy: if window == 0 { 0.0 } else { busiest.max(cpu_s / cpus) / window_s },
            cpu_s,
            peak_rss: limits::peak_rss(),
        },
        threads: findings
            .into_iter()
            .map(|finding| Thread {
                connections: finding.connections,
                requests: finding.measured.requests,
                cpu_s: finding.window.cpu.as_secs_f64(),
                per_tenth: finding.measured.per_tenth,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_belongs_to_exactly_one_worker() {
        for (connections, threads) in [(1, 1), (10, 3), (400, 7), (20_000, 2), (7, 7)] {
            let mut next = 0;
            for index in 0..threads {
                let (first, count) = share(connections, threads, index);
                assert_eq!(first, next);
                assert!(count.abs_diff(connections / threads) <= 1);
                next += count;
            }
            assert_eq!(next, connections);
        }
    }
}
