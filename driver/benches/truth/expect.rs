//! What the driver must have measured, computed from the schedule and the server's own clock.

/// One request as the server saw it; times in nanoseconds of the host's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its position in the schedule, from 0.
    pub number: u64,
    pub read: u64,
    pub written: u64,
}

/// When request `number` of a constant rate is due, in the same nanoseconds as `begin`.
pub fn due(begin: f64, rate: f64, number: u64) -> f64 {
    begin + number as f64 * 1e9 / rate
}

/// From due to the answer's write, in seconds, of those answered in a window; ascending.
pub fn latencies(seen: &[Seen], begin: f64, rate: f64, window: (f64, f64)) -> Vec<f64> {
    let mut latencies: Vec<f64> = seen
        .iter()
        .filter(|seen| (window.0..window.1).contains(&(seen.written as f64)))
        .map(|seen| (seen.written as f64 - due(begin, rate, seen.number)) / 1e9)
        .collect();
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// What the latencies would be if the server did nothing but freeze: a request that is due in a
/// freeze waits for its end, and any other is answered at once. Ascending, in seconds.
pub fn ideal(rate: f64, begin: f64, window: (f64, f64), freezes: &[(f64, f64)]) -> Vec<f64> {
    let first = ((window.0 - begin) * rate / 1e9).ceil().max(0.0) as u64;
    let last = ((window.1 - begin) * rate / 1e9) as u64;
    let mut latencies: Vec<f64> = (first..last)
        .map(|number| {
            let due = due(begin, rate, number);
            let frozen = freezes.iter().find(|(from, to)| (*from..*to).contains(&due));
            frozen.map_or(0.0, |(_, to)| (to - due) / 1e9)
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// The smallest value that `percentile` percent do not exceed, as HdrHistogram defines it; 0 of
/// none.
pub fn percentile(ascending: &[f64], percentile: f64) -> f64 {
    let rank = (percentile / 100.0 * ascending.len() as f64).ceil().max(1.0) as usize;
    ascending.get(rank.min(ascending.len()).wrapping_sub(1)).copied().unwrap_or(0.0)
}

/// Whether a measured time is within 2 % or 1 ms of the true one; both in seconds.
pub fn agrees(measured: f64, truth: f64) -> bool {
    (measured - truth).abs() <= (0.02 * truth).max(1e-3)
}
