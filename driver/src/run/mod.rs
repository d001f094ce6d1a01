//! One run: the workers, from start to report.

mod outcome;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::args::{Args, Load, Reconnect};
use crate::limits;
use crate::pace::{Nanos, Pace, Schedule};
use crate::record::Recording;
use crate::report::Report;
use crate::worker::Worker;
use crate::worker::job::{Control, Finding, Job, Progress, Target};

/// A worker keeps little on its stack.
const STACK: usize = 256 * 1024;
/// How often the main thread looks at the workers.
const TICK: Duration = Duration::from_millis(10);
/// From the decision to begin to the begin: every worker has to notice.
const NOTICE: Duration = Duration::from_millis(5);

/// Time between two [`Event::Status`].
const STATUS: Duration = Duration::from_millis(250);

/// What a watcher of the run is told: `{"event":"open"}`, `{"event":"status","answers":123,…}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// All connections that could be opened are; the load begins.
    Load,
    /// The measured window opens.
    Open,
    /// How it goes, four times a second, while connections are opened too.
    Status(Status),
    /// The measured window closed.
    Close,
}

/// Sums over all workers since the first connection was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Right answers.
    pub answers: u64,
    /// The sum of their latencies, in nanoseconds.
    pub latency_sum: u64,
    pub errors: u64,
    /// Connections that are open now.
    pub connections: u64,
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

/// The moment from which a run counts, on three clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    pub wall: jiff::Timestamp,
    pub monotonic: Duration,
}

impl Epoch {
    fn now() -> Self {
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC);
        Self {
            wall: jiff::Timestamp::now(),
            monotonic: monotonic.map_or(Duration::ZERO, Duration::from),
        }
    }
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
    let epoch = Epoch::now();
    let control = Arc::new(Control::new(args.threads));
    let mut workers = Vec::new();
    for index in 0..args.threads {
        let job = job(args, &load, index);
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
    conduct(args, &control, epoch, interrupted, &mut watch);
    let findings = workers
        .into_iter()
        .map(|worker| worker.join().map_err(|_| RunError::Panic)?.map_err(RunError::Poll))
        .collect::<Result<Vec<Finding>, RunError>>()?;
    let begin = control.begin.get().copied().unwrap_or(0);
    Ok(outcome::report(args, load, findings, epoch, begin))
}

/// What worker `local` of this driver is asked to do.
fn job(args: &Args, load: &Load, local: u32) -> Job {
    let targets = load.endpoints.iter();
    let (first_connection, connections) = args.share(local);
    let (warmup, duration) = (nanos(args.warmup), nanos(args.duration));
    Job {
        local,
        index: args.worker(local),
        of: args.workers(),
        connections,
        first_connection,
        all_connections: args.connections,
        targets: targets
            .map(|endpoint| Target { address: endpoint.address, request: endpoint.request.clone() })
            .collect(),
        sources: Arc::clone(&load.sources),
        to_head: load.method == "HEAD",
        expect: load.expect.clone(),
        pace: match args.rate {
            None => Pace::Closed,
            Some(rate) => Pace::Open(Schedule::new(rate.from, rate.to, warmup, duration)),
        },
        pipeline: args.pipeline as usize,
        keepalive: !args.no_keepalive,
        reconnect: args.reconnect == Reconnect::Always,
        recording: Recording {
            service: args.rate.is_some() || args.no_keepalive,
            intervals: args.records_intervals(),
        },
        warmup,
        duration,
        timeout: nanos(args.timeout),
        deadline: args.deadline.map_or(Nanos::MAX, nanos),
        connect_timeout: nanos(args.connect_timeout),
    }
}

/// Tells the main thread that a worker is over, however it ended.
struct CountOnDrop(Arc<Control>);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> Nanos {
    // `args::duration` takes a year at most, and 584 fit.
    duration.as_nanos() as Nanos
}

/// Starts the load when all workers are ready and it is time, and tells the watcher of it until they
/// are done.
fn conduct(
    args: &Args,
    control: &Control,
    epoch: Epoch,
    interrupted: impl Fn() -> bool,
    watch: &mut impl FnMut(Event),
) {
    let mut at = [
        (Duration::ZERO, Some(Event::Load)),
        (args.warmup, Some(Event::Open)),
        (args.warmup + args.duration, Some(Event::Close)),
    ];
    // What lies in the past by then begins at once.
    let start_at = args.start_at.map_or(0, |start_at| {
        Duration::try_from(start_at.duration_since(epoch.wall)).map_or(0, nanos)
    });
    let mut next_status = nanos(STATUS);
    loop {
        if interrupted() {
            control.stop.store(true, Ordering::Relaxed);
        }
        if control.now() >= next_status {
            next_status = control.now() + nanos(STATUS);
            watch(Event::Status(status(&control.progress)));
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
        let begin = *control.begin.get_or_init(|| (control.now() + nanos(NOTICE)).max(start_at));
        let now = control.now();
        if now < begin {
            // Stopped before it began.
            if ended == args.threads {
                return;
            }
            thread::sleep(Duration::from_nanos(begin - now).min(TICK));
            continue;
        }
        let since = Duration::from_nanos(now - begin);
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
        // Wake up exactly at the next moment that a watcher is told of.
        let next = at
            .iter()
            .find(|(_, event)| event.is_some())
            .map_or(TICK, |(due, _)| due.saturating_sub(since));
        thread::sleep(next.clamp(Duration::from_micros(50), TICK));
    }
}

fn status(workers: &[Progress]) -> Status {
    let sum = |of: fn(&Progress) -> &AtomicU64| {
        workers.iter().map(|progress| of(progress).load(Ordering::Relaxed)).sum()
    };
    Status {
        answers: sum(|progress| &progress.answers),
        latency_sum: sum(|progress| &progress.latency_sum),
        errors: sum(|progress| &progress.errors),
        connections: sum(|progress| &progress.open),
    }
}
