//! A histogram of nanoseconds, and the form in which it travels.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

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
    #[error("the histogram has {0} significant digits, and at most {DIGITS} are used here")]
    Digits(u8),
    #[error("the histogram counts {0} values, more than anything measured")]
    Count(u64),
}

const DIGITS: u8 = 3;

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// Longest latency that is told apart from longer ones, in nanoseconds: ten minutes.
    pub const LONGEST: u64 = 600_000_000_000;

    /// Most values that one histogram read from a file may count: half a million such files add up
    /// without an overflow.
    const MOST: u64 = 1 << 44;

    /// An empty histogram, 1 ns to [`Self::LONGEST`]; longer values count as the longest.
    pub fn new() -> Self {
        let histogram = hdrhistogram::Histogram::new_with_bounds(1, Self::LONGEST, DIGITS)
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

impl Latency {
    /// HdrHistogram V2, not compressed.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("writing to a Vec does not fail, and counts are below i64::MAX");
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`LatencyError`]; whatever the bytes are, no more is allocated than they are long, and half a
    /// megabyte for the counts.
    fn from_bytes(mut bytes: &[u8]) -> Result<Self, LatencyError> {
        // The length in its header is allocated before anything is read, so it must be the true one:
        // cookie, payload length, offset, digits, bounds and ratio are 40 bytes, then the payload.
        let stated = bytes
            .get(4..8)
            .map(|length| u32::from_be_bytes([length[0], length[1], length[2], length[3]]));
        if stated.map(|length| u64::from(length) + 40) != Some(bytes.len() as u64) {
            return Err(LatencyError::Length);
        }
        // More digits take up to 50 MB, however few counts there are. They are the last byte of four.
        if let Some(&digits) = bytes.get(15).filter(|&&digits| digits > DIGITS) {
            return Err(LatencyError::Digits(digits));
        }
        Ok(Self(Deserializer::new().deserialize(&mut bytes)?))
    }
}

/// A histogram in the bytes in which it travels, a hundredth of the size: for keeping many of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "WireLatency", try_from = "WireLatency")]
pub struct PackedLatency(Vec<u8>);

impl PackedLatency {
    pub fn unpack(&self) -> Latency {
        Latency::from_bytes(&self.0).expect("they were packed, or read once already")
    }
}

impl From<&Latency> for PackedLatency {
    fn from(latency: &Latency) -> Self {
        Self(latency.to_bytes())
    }
}

impl From<PackedLatency> for WireLatency {
    fn from(packed: PackedLatency) -> Self {
        packed.unpack().into()
    }
}

impl TryFrom<WireLatency> for PackedLatency {
    type Error = LatencyError;

    fn try_from(wire: WireLatency) -> Result<Self, LatencyError> {
        Ok(Self::from(&Latency::try_from(wire)?))
    }
}

impl From<Latency> for WireLatency {
    fn from(latency: Latency) -> Self {
        Self {
            count: latency.count(),
            mean_s: latency.mean(),
            max_s: latency.max(),
            hdr_v2_base64_ns: BASE64.encode(latency.to_bytes()),
        }
    }
}

impl TryFrom<WireLatency> for Latency {
    type Error = LatencyError;

    fn try_from(wire: WireLatency) -> Result<Self, LatencyError> {
        let latency = Self::from_bytes(&BASE64.decode(wire.hdr_v2_base64_ns)?)?;
        // Counts that a sum could overflow were not measured, but a file can hold them.
        if latency.count() > Self::MOST {
            return Err(LatencyError::Count(latency.count()));
        }
        Ok(latency)
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

    #[test]
    fn digits_that_nobody_needs_are_refused() {
        let mut bytes = written();
        bytes[15] = 5;
        assert!(matches!(read_back(&bytes), Err(LatencyError::Digits(5))));
    }

    #[test]
    fn the_most_that_is_read_adds_up_and_is_packed() {
        let mut most = Latency::new();
        most.0.record_n(1000, Latency::MOST).expect("within the bounds");
        let json = serde_json::to_string(&most).expect("serializable");
        let read: PackedLatency = serde_json::from_str(&json).expect("just as many as are read");
        let mut both = read.unpack();
        both.merge(&read.unpack());
        assert_eq!(PackedLatency::from(&both).unpack().count(), 2 * Latency::MOST);
    }

    #[test]
    fn a_histogram_that_counts_the_impossible_is_not_read() {
        let mut latency = Latency::new();
        latency.0.record_n(1000, 1 << 60).expect("within the bounds");
        let json = serde_json::to_string(&latency).expect("serializable");
        let error = serde_json::from_str::<Latency>(&json).expect_err("2^60 requests");
        assert!(error.to_string().contains("counts 1152921504606846976"), "{error}");
    }
}
