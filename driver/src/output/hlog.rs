//! The latency of each second as an HdrHistogram interval log, version 1.3: values in nanoseconds,
//! the largest value of a line in milliseconds.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use crate::report::Report;

const NANOS_IN_A_MILLISECOND: f64 = 1e6;

pub fn log(report: &Report) -> String {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let opened = SystemTime::from(report.started_at);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[Latency in nanoseconds, by httpdyno's driver {}]", report.version))
        .with_start_time(opened)
        // Starts of intervals are counted from here.
        .with_base_time(opened)
        .with_max_value_divisor(NANOS_IN_A_MILLISECOND)
        .begin_log_with(&mut bytes, &mut serializer)
        .expect("writing to a Vec does not fail");
    for interval in &report.intervals {
        log.write_histogram(
            &interval.latency.unpack().0,
            duration(interval.start_s),
            duration(interval.length_s),
            None,
        )
        .expect("writing to a Vec does not fail, and counts are below i64::MAX");
    }
    String::from_utf8(bytes).expect("numbers and base64")
}

/// Nothing that was measured is no duration, but a file may hold it.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
