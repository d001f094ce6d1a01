//! What one driver run found: the data model of `driver --json`, and of a sample in the harness.
//!
//! Times are seconds (`*_s`) or nanoseconds inside histograms. Percentiles are read from the
//! histograms and are never stored beside them: two numbers for one thing can disagree, and
//! percentiles of several runs come from added histograms, never from averaged percentiles.

mod errors;
#[cfg(test)]
pub(crate) mod fixture;
mod join;
mod latency;
mod verdict;

use serde::{Deserialize, Serialize};

pub use errors::{ConnectErrors, Errors, ReadErrors};
pub use join::JoinError;
pub use latency::{Latency, LatencyError, PackedLatency};
pub use verdict::Verdict;

/// Version of the JSON that [`Report`] is written as; raised when a reader would misread it.
pub const SCHEMA: u32 = 1;

/// One driver run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    /// The driver's own version.
    pub version: String,
    pub config: Config,
    /// The moment the measured window opened.
    pub started_at: jiff::Timestamp,
    /// Length of the measured window as it really was, in seconds.
    pub window_s: f64,
    pub connect: Connect,
    /// Correct responses completed inside the window, and within the deadline where there is one.
    /// Errors are never counted here.
    pub requests: u64,
    /// Bytes of every response read inside the window, heads included.
    pub bytes_read: u64,
    /// Latency of the correct responses, from the moment each request was due to the parsed
    /// response. In a closed loop a request is due when its connection is free to send it. Those
    /// that missed the deadline are in here: without the slow ones it would flatter.
    pub latency: Latency,
    /// Of the same responses, from the moment of the write; `None` in a closed loop with keep-alive,
    /// where a request is written when it is due, but on a connection that the server had closed.
    #[serde(default)]
    pub service: Option<Latency>,
    /// Of the same responses, from the moment of the write to their first byte.
    #[serde(default)]
    pub ttfb: Latency,
    /// `None` in a closed loop.
    #[serde(default)]
    pub open_loop: Option<OpenLoop>,
    /// What went wrong inside the window and in the drain after it.
    pub errors: Errors,
    /// What went wrong before the window opened, while connecting and warming up.
    pub errors_before: Errors,
    /// Requests sent and not yet answered when the window closed.
    pub in_flight_at_end: u64,
    /// Of those, the ones that were still unanswered when the drain ended (timeouts excluded).
    pub unanswered: u64,
    /// Connections that had to be opened again after the window had opened.
    pub reconnects: u64,
    /// Connections that ended inside the window and were not opened again, as `--reconnect never`
    /// asks for.
    #[serde(default)]
    pub lost: u64,
    pub threads: Vec<Thread>,
    /// The window second by second, when it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<Interval>,
    pub checks: Checks,
    #[serde(default)]
    pub verdict: Verdict,
}

/// What was asked of the driver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Connection `i` goes to `targets[i % targets.len()]`.
    pub targets: Vec<String>,
    pub method: String,
    /// `None` for a plain request whose answers are only checked for their status and framing.
    pub scenario: Option<String>,
    /// Where the connections came from, in turn; empty where that was left to the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    pub connections: u32,
    pub threads: u32,
    /// Requests that each connection may have in flight.
    #[serde(default = "one")]
    pub pipeline: u32,
    /// Whether a connection carries more than one request.
    #[serde(default = "yes")]
    pub keepalive: bool,
    /// The rate asked for, over all connections of this driver; `None` in a closed loop.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Which part of the load this driver was: `2/4`. Connections and rate are those of the part.
    #[serde(default)]
    pub shard: Option<String>,
    /// When the load was to begin, if that was said.
    #[serde(default)]
    pub start_at: Option<jiff::Timestamp>,
    pub duration_s: f64,
    pub warmup_s: f64,
    pub timeout_s: f64,
    #[serde(default)]
    pub deadline_s: Option<f64>,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// Requests per second at the beginning and at the end of the window; the warm-up has the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub from: f64,
    pub to: f64,
}

/// The connect phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connect {
    /// Connections that had answered once when the warm-up began.
    pub established: u32,
    /// From the first `connect` to the last connection's first answer, in seconds.
    pub ramp_s: f64,
    /// From `connect` to a writable socket, per connection, over the whole run.
    pub latency: Latency,
}

/// How well an open loop kept its schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenLoop {
    /// When the first request was due, on the host's monotonic clock (`CLOCK_MONOTONIC`), in
    /// seconds: for a server on the same host that relates its own stamps to the schedule.
    pub begin_monotonic_s: f64,
    /// Requests that were due inside the window.
    pub scheduled: u64,
    /// Requests that were sent inside the window.
    pub sent: u64,
    /// `sent ÷ scheduled`: the achieved rate ÷ the target rate; 1 when nothing was scheduled.
    pub achieved: f64,
    /// From the moment at which a request was due to its write, of those sent inside the window.
    pub lag: Lag,
    /// The part of it that is the driver's own: after the request was due and its connection free.
    pub own_lag: Lag,
}

/// How late sends were, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    pub mean_s: f64,
    pub max_s: f64,
}

/// One worker thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thread {
    pub connections: u32,
    pub requests: u64,
    /// CPU time of the thread inside the window, in seconds.
    pub cpu_s: f64,
    /// How often it was taken off its core inside the window while it had work to do.
    #[serde(default)]
    pub involuntary_switches: u64,
    /// Correct responses in each whole tenth of a second of the window, in order.
    pub per_tenth: Vec<u32>,
}

/// One second of the window; the last one may be shorter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// Since the window opened, in seconds.
    pub start_s: f64,
    pub length_s: f64,
    pub requests: u64,
    pub errors: u64,
    pub bytes_read: u64,
    /// Connections that were open when it ended.
    pub connections: u32,
    pub latency: PackedLatency,
}

/// What the driver says of its own numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checks {
    /// The time that all requests were under way inside the window, by their latencies, ÷ the time
    /// that the connections were there, − 1 (Little's law); 0 is perfect. It is throughput × mean
    /// latency ÷ connections − 1, but for the requests that cross an edge of the window, of which
    /// only the part inside counts. `None` in an open loop, where connections may be idle.
    pub littles_residual: Option<f64>,
    /// How busy the driver was, 1 being all it could be: the larger of the busiest worker's CPU
    /// seconds ÷ the window, and those of all workers ÷ (the window × the CPUs they may run on).
    pub busy: f64,
    /// CPU seconds of all workers inside the window.
    pub cpu_s: f64,
    /// Of requests in flight, looked at at regular moments inside the window: the share whose answer
    /// lay unread in the driver's own socket. `None` when there were too few to say.
    #[serde(default)]
    pub receive_queue: Option<f64>,
    /// Peak resident set of the driver process, in bytes.
    pub peak_rss: u64,
}

impl Checks {
    /// How far Little's law may be off before something is wrong with the numbers: in a closed loop
    /// every connection always has one request under way, so only the edges of the window differ.
    pub const LITTLES_TOLERANCE: f64 = 0.02;

    /// A thread that used this share of a core had no time left to wait: it was a limit. Not 1,
    /// because the clocks of CPU time and of the window are read at slightly different moments.
    pub const BUSY: f64 = 0.95;

    /// Whether rate and latency describe the same load, as far as that can be told.
    pub fn littles_law_holds(&self) -> bool {
        self.littles_residual.is_none_or(|residual| residual.abs() <= Self::LITTLES_TOLERANCE)
    }
}

impl Report {
    /// Correct responses per second; 0 when the window has no length.
    pub fn rate(&self) -> f64 {
        per_second(self.requests, self.window_s)
    }

    /// Bytes read per second; 0 when the window has no length.
    pub fn transfer(&self) -> f64 {
        per_second(self.bytes_read, self.window_s)
    }

    /// Errors inside the window and before it.
    pub fn errors_in_all(&self) -> u64 {
        self.errors.total().saturating_add(self.errors_before.total())
    }
}

impl Interval {
    /// Correct responses per second; 0 when it has no length.
    pub fn rate(&self) -> f64 {
        per_second(self.requests, self.length_s)
    }
}

impl OpenLoop {
    pub(crate) fn achieved(sent: u64, scheduled: u64) -> f64 {
        if scheduled > 0 { sent as f64 / scheduled as f64 } else { 1.0 }
    }
}

impl Rate {
    /// The part of `own` connections of `all`.
    pub(crate) fn part(self, own: u32, all: u32) -> Self {
        let share = f64::from(own) / f64::from(all);
        Self { from: self.from * share, to: self.to * share }
    }
}

fn per_second(count: u64, window_s: f64) -> f64 {
    if window_s > 0.0 { count as f64 / window_s } else { 0.0 }
}

/// Counts may come from a file, and no file may make a reader overflow.
fn add(total: &mut u64, count: u64) {
    *total = total.saturating_add(count);
}

fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}
