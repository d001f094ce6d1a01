//! The window second by second, a line each; times in seconds.

use std::fmt::{self, Write as _};

use crate::report::{Interval, Report};

const HEADER: &str = "start_s,length_s,requests,requests_per_s,errors,bytes_read,connections,\
latency_mean_s,latency_p50_s,latency_p90_s,latency_p99_s,latency_p99_9_s,latency_max_s";

pub fn seconds(report: &Report) -> String {
    let mut text = format!("{HEADER}\n");
    for interval in &report.intervals {
        write(&mut text, interval).expect("writing to a String does not fail");
    }
    text
}

fn write(out: &mut String, interval: &Interval) -> fmt::Result {
    let Interval { start_s, length_s, requests, errors, bytes_read, connections, .. } = interval;
    let rate = interval.rate();
    write!(
        out,
        "{start_s:.3},{length_s:.3},{requests},{rate:.1},{errors},{bytes_read},{connections}"
    )?;
    let latency = interval.latency.unpack();
    let percentiles = [50.0, 90.0, 99.0, 99.9].map(|percentile| latency.percentile(percentile));
    for seconds in [latency.mean()].into_iter().chain(percentiles).chain([latency.max()]) {
        write!(out, ",{seconds:.9}")?;
    }
    writeln!(out)
}
