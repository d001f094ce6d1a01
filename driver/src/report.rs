//! What one driver run found: the data model of `driver --json`, and of a sample in the harness.
//!
//! Times are seconds (`*_s`) or nanoseconds inside histograms. Percentiles are read from the
//! histograms and are never stored beside them: two numbers for one thing can disagree, and
//! percentiles of several runs come from merged histograms, never from averaged percentiles.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

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
    /// Correct responses completed inside the window. Errors are never counted here.
    pub requests: u64,
    /// Bytes of every response read inside the window, heads included.
    pub bytes_read: u64,
    /// Latency of the correct responses, from the moment before the write to the parsed response.
    pub latency: Latency,
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
    pub threads: Vec<Thread>,
    pub checks: Checks,
}

/// What was asked of the driver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Connection `i` goes to `targets[i % targets.len()]`.
    pub targets: Vec<String>,
    pub method: String,
    /// `None` for a plain request whose answers are only checked for their status and framing.
    pub scenario: Option<String>,
    pub connections: u32,
    pub threads: u32,
    pub duration_s: f64,
    pub warmup_s: f64,
    pub timeout_s: f64,
}

/// The connect phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connect {
    /// Connections that were open and had answered once when the warm-up began.
    pub established: u32,
    /// From the first `connect` to the last connection's first answer, in seconds.
    pub ramp_s: f64,
    /// From `connect` to a writable socket, per connection, over the whole run.
    pub latency: Latency,
}

/// Errors by type. None of them counts as throughput.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    pub connect: ConnectErrors,
    pub read: ReadErrors,
    /// Writes that failed (`EPIPE`, reset while writing).
    pub write: u64,
    /// Requests older than the timeout.
    pub timeout: u64,
    /// Complete responses whose status was not the expected one, by status code.
    pub status: BTreeMap<u16, u64>,
    /// Bytes that are not an HTTP/1.1 response, or a response nobody asked for.
    pub protocol: u64,
    /// Responses with the right status and the wrong body.
    pub body: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectErrors {
    pub refused: u64,
    pub timed_out: u64,
    pub reset: u64,
    /// No local address or port was left (`EADDRNOTAVAIL`), or the target cannot be reached.
    pub no_address: u64,
    /// The descriptor limit (`EMFILE`, `ENFILE`).
    pub no_descriptor: u64,
    pub other: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadErrors {
    pub reset: u64,
    /// The server closed the connection before the response was complete.
    pub closed: u64,
    /// Any other error of the socket, such as an unreachable host.
    pub other: u64,
}

impl ConnectErrors {
    pub fn total(&self) -> u64 {
        sum([
            self.refused,
            self.timed_out,
            self.reset,
            self.no_address,
            self.no_descriptor,
            self.other,
        ])
    }
}

impl ReadErrors {
    pub fn total(&self) -> u64 {
        sum([self.reset, self.closed, self.other])
    }
}

impl Errors {
    pub fn total(&self) -> u64 {
        sum([
            self.connect.total(),
            self.read.total(),
            self.write,
            self.timeout,
            self.status_total(),
            self.protocol,
            self.body,
        ])
    }

    /// Responses with an unexpected status, whatever it was.
    pub fn status_total(&self) -> u64 {
        sum(self.status.values().copied())
    }

    /// The errors that occurred, named and counted: `timeout 3, status 500 12`. Empty when none did.
    pub fn list(&self) -> String {
        let fixed = [
            ("connect refused", self.connect.refused),
            ("connect timed out", self.connect.timed_out),
            ("connect reset", self.connect.reset),
            ("connect no address", self.connect.no_address),
            ("connect no descriptor", self.connect.no_descriptor),
            ("connect other", self.connect.other),
            ("read reset", self.read.reset),
            ("read closed early", self.read.closed),
            ("read other", self.read.other),
            ("write", self.write),
            ("timeout", self.timeout),
            ("protocol", self.protocol),
            ("wrong body", self.body),
        ];
        fixed
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {count}"))
            .chain(self.status.iter().map(|(code, count)| format!("status {code} {count}")))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// One worker thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thread {
    pub connections: u32,
    pub requests: u64,
    /// CPU time of the thread inside the window, in seconds.
    pub cpu_s: f64,
    /// Correct responses in each whole tenth of a second of the window, in order.
    pub per_tenth: Vec<u32>,
}

/// What the driver says of its own numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checks {
    /// The time that all requests were under way inside the window, by their latencies, ÷ the time
    /// that the connections were there, − 1 (Little's law); 0 is perfect. It is throughput × mean
    /// latency ÷ connections − 1, but for the requests that cross an edge of the window, of which
    /// only the part inside counts.
    pub littles_residual: f64,
    /// How busy the driver was, 1 being all it could be: the larger of the busiest worker's CPU
    /// seconds ÷ the window, and those of all workers ÷ (the window × the CPUs they may run on).
    pub busy: f64,
    /// CPU seconds of all workers inside the window.
    pub cpu_s: f64,
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

    /// Adds another run of the same configuration, as if both were one longer run: windows, counts
    /// and histograms add up, so a rate is requests over the summed windows. Of what is a limit or
    /// a check, the worse of the two is kept.
    pub fn merge(&mut self, other: &Self) {
        self.config.duration_s += other.config.duration_s;
        self.config.warmup_s += other.config.warmup_s;
        self.started_at = self.started_at.min(other.started_at);
        self.window_s += other.window_s;
        self.connect.merge(&other.connect);
        add(&mut self.requests, other.requests);
        add(&mut self.bytes_read, other.bytes_read);
        self.latency.merge(&other.latency);
        self.errors.merge(&other.errors);
        self.errors_before.merge(&other.errors_before);
        add(&mut self.in_flight_at_end, other.in_flight_at_end);
        add(&mut self.unanswered, other.unanswered);
        add(&mut self.reconnects, other.reconnects);
        for (index, thread) in other.threads.iter().enumerate() {
            match self.threads.get_mut(index) {
                Some(own) => own.merge(thread),
                None => self.threads.push(thread.clone()),
            }
        }
        self.checks.merge(&other.checks);
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

impl Connect {
    fn merge(&mut self, other: &Self) {
        self.established = self.established.min(other.established);
        self.ramp_s = self.ramp_s.max(other.ramp_s);
        self.latency.merge(&other.latency);
    }
}

impl Errors {
    /// Adds the counts of `other`, type by type.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.connect.refused, other.connect.refused);
        add(&mut self.connect.timed_out, other.connect.timed_out);
        add(&mut self.connect.reset, other.connect.reset);
        add(&mut self.connect.no_address, other.connect.no_address);
        add(&mut self.connect.no_descriptor, other.connect.no_descriptor);
        add(&mut self.connect.other, other.connect.other);
        add(&mut self.read.reset, other.read.reset);
        add(&mut self.read.closed, other.read.closed);
        add(&mut self.read.other, other.read.other);
        add(&mut self.write, other.write);
        add(&mut self.timeout, other.timeout);
        for (code, count) in &other.status {
            add(self.status.entry(*code).or_default(), *count);
        }
        add(&mut self.protocol, other.protocol);
        add(&mut self.body, other.body);
    }
}

impl Thread {
    fn merge(&mut self, other: &Self) {
        add(&mut self.requests, other.requests);
        self.cpu_s += other.cpu_s;
        self.per_tenth.extend(&other.per_tenth);
    }
}

impl Checks {
    fn merge(&mut self, other: &Self) {
        if other.littles_residual.abs() > self.littles_residual.abs() {
            self.littles_residual = other.littles_residual;
        }
        self.busy = self.busy.max(other.busy);
        self.cpu_s += other.cpu_s;
        self.peak_rss = self.peak_rss.max(other.peak_rss);
    }
}

/// A histogram of nanoseconds with 3 significant digits, carried whole: HdrHistogram V2, base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "WireLatency", try_from = "WireLatency")]
pub struct Latency(pub hdrhistogram::Histogram<u64>);

#[derive(Serialize, Deserialize)]
struct WireLatency {
    /// For readers that only want a glance; ignored when read back.
    #[serde(default)]
    count: u64,
    #[serde(default)]
    mean_s: f64,
    #[serde(default)]
    max_s: f64,
    hdr_v2_base64_ns: String,
}

/// A histogram that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum LatencyError {
    #[error("the histogram's length is not the one in its header")]
    Length,
    #[error("the histogram is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("the histogram is not HdrHistogram V2: {0}")]
    Hdr(#[from] hdrhistogram::serialization::DeserializeError),
    #[error("the histogram counts {0} values, more than anything measured")]
    Count(u64),
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// Longest latency that is told apart from longer ones, in nanoseconds: ten minutes.
    pub const LONGEST: u64 = 600_000_000_000;

    /// Most values that one histogram read from a file may count: thousands of them still add up
    /// without an overflow.
    const MOST: u64 = 1 << 50;

    /// An empty histogram, 1 ns to [`Self::LONGEST`]; longer values count as the longest.
    pub fn new() -> Self {
        let histogram = hdrhistogram::Histogram::new_with_bounds(1, Self::LONGEST, 3)
            .expect("constant bounds, 2 * low <= high and 3 <= 5 digits");
        Self(histogram)
    }

    /// Adds every value of `other`.
    pub fn merge(&mut self, other: &Self) {
        // Histograms of this type share their bounds, and one that was read from a file with wider
        // bounds makes this one grow.
        self.0.auto(true);
        if self.0.add(&other.0).is_err() {
            unreachable!("a growing histogram takes every value");
        }
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Mean in seconds; 0 when empty.
    pub fn mean(&self) -> f64 {
        self.0.mean() / 1e9
    }

    /// Standard deviation in seconds; 0 when empty.
    pub fn stdev(&self) -> f64 {
        self.0.stdev() / 1e9
    }

    /// Largest value in seconds; 0 when empty.
    pub fn max(&self) -> f64 {
        self.0.max() as f64 / 1e9
    }

    /// The value that `percentile` percent (0 to 100) do not exceed, in seconds; 0 when empty.
    pub fn percentile(&self, percentile: f64) -> f64 {
        self.0.value_at_percentile(percentile) as f64 / 1e9
    }
}

impl From<Latency> for WireLatency {
    fn from(latency: Latency) -> Self {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&latency.0, &mut bytes)
            .expect("writing to a Vec does not fail, and counts are below i64::MAX");
        Self {
            count: latency.count(),
            mean_s: latency.mean(),
            max_s: latency.max(),
            hdr_v2_base64_ns: BASE64.encode(bytes),
        }
    }
}

impl TryFrom<WireLatency> for Latency {
    type Error = LatencyError;

    fn try_from(wire: WireLatency) -> Result<Self, LatencyError> {
        let bytes = BASE64.decode(wire.hdr_v2_base64_ns)?;
        // The length in its header is allocated before anything is read, so it must be the true one:
        // cookie, payload length, offset, digits, bounds and ratio are 40 bytes, then the payload.
        let stated = bytes
            .get(4..8)
            .map(|length| u32::from_be_bytes([length[0], length[1], length[2], length[3]]));
        if stated.map(|length| u64::from(length) + 40) != Some(bytes.len() as u64) {
            return Err(LatencyError::Length);
        }
        let histogram = Deserializer::new().deserialize(&mut bytes.as_slice())?;
        // Counts that a sum could overflow were not measured, but a file can hold them.
        if histogram.len() > Self::MOST {
            return Err(LatencyError::Count(histogram.len()));
        }
        Ok(Self(histogram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(bytes: &[u8]) -> Result<Latency, LatencyError> {
        WireLatency { count: 0, mean_s: 0.0, max_s: 0.0, hdr_v2_base64_ns: BASE64.encode(bytes) }
            .try_into()
    }

    fn written() -> Vec<u8> {
        let mut latency = Latency::new();
        latency.0.saturating_record(1_234_567);
        BASE64.decode(WireLatency::from(latency).hdr_v2_base64_ns).unwrap()
    }

    #[test]
    fn a_histogram_is_read_back() {
        let latency = read_back(&written()).unwrap();
        assert_eq!(latency.count(), 1);
        assert!((latency.max() / 1.234_567e-3 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_length_that_is_not_the_true_one_is_refused_before_anything_is_allocated() {
        let mut bytes = written();
        bytes[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(read_back(&bytes), Err(LatencyError::Length)));
        for length in 0..40 {
            assert!(matches!(read_back(&written()[..length]), Err(LatencyError::Length)));
        }
    }

    #[test]
    fn a_count_that_has_no_positive_is_an_error() {
        let mut bytes = written();
        bytes.truncate(40);
        bytes[4..8].copy_from_slice(&9u32.to_be_bytes());
        bytes.extend([0xff; 9]);
        assert!(matches!(read_back(&bytes), Err(LatencyError::Hdr(_))));
    }
}
