//! The latency's percentiles, in the layout of HdrHistogram's `outputPercentileDistribution`, which
//! its plotters read. In milliseconds, as they expect.

use std::fmt::{self, Write as _};

use crate::report::{Latency, Report};

/// Lines for each halving of the distance to 100 %; HdrHistogram's own default.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

pub fn percentiles(report: &Report) -> String {
    let mut text = String::new();
    write(&mut text, &report.latency).expect("writing to a String does not fail");
    text
}

fn write(out: &mut String, latency: &Latency) -> fmt::Result {
    let histogram = &latency.0;
    let millis = |nanos: u64| nanos as f64 / 1e6;
    writeln!(
        out,
        "{:>16} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut below = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        below += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        // Six decimals: nothing of a nanosecond is lost.
        write!(out, "{:>16.6} {quantile:>14.12} {below:>10}", millis(step.value_iterated_to()))?;
        if quantile < 1.0 {
            write!(out, " {:>14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "#[Mean    = {:>16.6}, StdDeviation   = {:>16.6}]",
        1e3 * latency.mean(),
        1e3 * latency.stdev()
    )?;
    writeln!(
        out,
        "#[Max     = {:>16.6}, Total count    = {:>16}]",
        millis(histogram.max()),
        histogram.len()
    )?;
    // As many as the values below 2 × 10^digits, in a power of two.
    let sub_buckets = (2 * 10_u64.pow(histogram.sigfig().into())).next_power_of_two();
    writeln!(out, "#[Buckets = {:>16}, SubBuckets     = {sub_buckets:>16}]", histogram.buckets())
}
