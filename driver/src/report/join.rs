//! Several reports as one: runs one after another, or drivers side by side. Histograms and counts are
//! added; nothing is ever averaged.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use super::{
    Checks, Config, Connect, Interval, Lag, Latency, OpenLoop, PackedLatency, Rate, Report, Thread,
    Verdict, add,
};

/// Reports that are not of one load.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum JoinError {
    #[error("its {what} is {other}, and that of the others is {own}: it was another load")]
    Unlike { what: &'static str, own: String, other: String },
    #[error(
        "its window overlaps the others' for {share:.0} % only, and rates add up only when they were \
         measured at the same time: start the drivers with one --start-at"
    )]
    NotAtOnce { share: f64 },
    #[error("shard {shard} is among the others already: one file was named twice?")]
    Twice { shard: String },
}

/// The share of the longest window for which all have to overlap.
const OVERLAP: f64 = 0.9;

impl Report {
    /// Adds another run of the same configuration, as if both were one longer run: windows, counts
    /// and histograms add up, so a rate is requests over the summed windows. Of what is a limit or
    /// a check, the worse of the two is kept.
    pub fn append(&mut self, other: &Self) {
        self.config.duration_s += other.config.duration_s;
        self.config.warmup_s += other.config.warmup_s;
        self.started_at = self.started_at.min(other.started_at);
        let before = self.window_s;
        self.window_s += other.window_s;
        self.connect.established = self.connect.established.min(other.connect.established);
        self.connect.merge(&other.connect);
        for (index, thread) in other.threads.iter().enumerate() {
            match self.threads.get_mut(index) {
                Some(own) => own.append(thread),
                None => self.threads.push(thread.clone()),
            }
        }
        let later = |interval: &Interval| Interval {
            start_s: before + interval.start_s,
            ..interval.clone()
        };
        self.intervals.extend(other.intervals.iter().map(later));
        self.checks.peak_rss = self.checks.peak_rss.max(other.checks.peak_rss);
        self.add_counts(other);
        self.verdict = Verdict::of(self);
    }

    /// Adds a driver that ran beside this one, as if both were one larger driver: connections, rates
    /// and counts add up over the same window.
    ///
    /// # Errors
    /// [`JoinError`] when they were not the same load at the same time; nothing was added then.
    pub fn join(&mut self, other: &Self) -> Result<(), JoinError> {
        self.config.is_like(&other.config)?;
        let shard = join_shards(self.config.shard.as_deref(), other.config.shard.as_deref())?;
        let offset = other.started_at.duration_since(self.started_at).as_secs_f64();
        let end = (offset + other.window_s).max(self.window_s);
        let both = (offset + other.window_s).min(self.window_s) - offset.max(0.0);
        let longest = self.window_s.max(other.window_s);
        if both < OVERLAP * longest {
            return Err(JoinError::NotAtOnce { share: 100.0 * (both / longest).max(0.0) });
        }
        self.started_at = self.started_at.min(other.started_at);
        self.window_s = end - offset.min(0.0);
        unite(&mut self.config.targets, &other.config.targets);
        unite(&mut self.config.sources, &other.config.sources);
        self.config.connections = self.config.connections.saturating_add(other.config.connections);
        self.config.threads = self.config.threads.saturating_add(other.config.threads);
        self.config.rate = match (self.config.rate, other.config.rate) {
            (Some(own), Some(other)) => {
                Some(Rate { from: own.from + other.from, to: own.to + other.to })
            }
            (own, _) => own,
        };
        self.config.shard = shard;
        self.connect.established =
            self.connect.established.saturating_add(other.connect.established);
        self.connect.merge(&other.connect);
        self.threads.extend(other.threads.iter().cloned());
        self.intervals = join_intervals(&self.intervals, &other.intervals, offset);
        self.checks.peak_rss = self.checks.peak_rss.saturating_add(other.checks.peak_rss);
        self.add_counts(other);
        // What cannot be said of one driver cannot be said of all.
        self.verdict.unite(&other.verdict);
        Ok(())
    }

    /// What adds up whether the runs were one after another or side by side.
    fn add_counts(&mut self, other: &Self) {
        add(&mut self.requests, other.requests);
        add(&mut self.bytes_read, other.bytes_read);
        self.latency.merge(&other.latency);
        merge_some(&mut self.service, other.service.as_ref(), Latency::merge);
        self.ttfb.merge(&other.ttfb);
        merge_some(&mut self.open_loop, other.open_loop.as_ref(), OpenLoop::merge);
        self.errors.merge(&other.errors);
        self.errors_before.merge(&other.errors_before);
        add(&mut self.in_flight_at_end, other.in_flight_at_end);
        add(&mut self.unanswered, other.unanswered);
        add(&mut self.reconnects, other.reconnects);
        add(&mut self.lost, other.lost);
        self.checks.merge(&other.checks);
    }
}

/// Seconds of two windows, of which the other opened `offset` seconds after the own; to the nearest
/// second. None at all when one has none, as a part of the requests would look like all of them.
fn join_intervals(own: &[Interval], other: &[Interval], offset: f64) -> Vec<Interval> {
    if own.is_empty() || other.is_empty() {
        return Vec::new();
    }
    let mut seconds = BTreeMap::new();
    for (intervals, later) in [(own, -offset), (other, offset)] {
        for interval in intervals {
            let start_s = interval.start_s + later.max(0.0);
            let interval = Interval { start_s, ..interval.clone() };
            match seconds.entry(start_s.round() as i64) {
                Entry::Vacant(entry) => {
                    entry.insert(interval);
                }
                Entry::Occupied(mut entry) => entry.get_mut().join(&interval),
            }
        }
    }
    seconds.into_values().collect()
}

/// The shards that two reports are of, `1+2/4`; `None` for all that there are.
fn join_shards(own: Option<&str>, other: Option<&str>) -> Result<Option<String>, JoinError> {
    let (Some((mut shards, of)), Some((others, others_of))) =
        (parse_shards(own), parse_shards(other))
    else {
        // Whole loads beside one another.
        return if own == other { Ok(None) } else { Err(unlike_shards(own, other)) };
    };
    if of != others_of {
        return Err(unlike_shards(own, other));
    }
    for shard in others {
        if !shards.insert(shard) {
            return Err(JoinError::Twice { shard: format!("{shard}/{of}") });
        }
    }
    if shards.len() as u64 == u64::from(of) {
        return Ok(None);
    }
    let shards: Vec<String> = shards.iter().map(u32::to_string).collect();
    Ok(Some(format!("{}/{of}", shards.join("+"))))
}

fn parse_shards(text: Option<&str>) -> Option<(BTreeSet<u32>, u32)> {
    let (shards, of) = text?.split_once('/')?;
    let shards = shards.split('+').map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((shards, of.parse().ok()?))
}

fn unlike_shards(own: Option<&str>, other: Option<&str>) -> JoinError {
    let [own, other] = [own, other].map(|shard| shard.unwrap_or("all there are").to_owned());
    JoinError::Unlike { what: "shard", own, other }
}

/// Adds those that are not there yet.
pub(super) fn unite(own: &mut Vec<String>, others: &[String]) {
    for other in others {
        if !own.contains(other) {
            own.push(other.clone());
        }
    }
}

/// What only some runs have is added where both have it.
fn merge_some<T: Clone>(own: &mut Option<T>, other: Option<&T>, merge: impl Fn(&mut T, &T)) {
    match (own, other) {
        (Some(own), Some(other)) => merge(own, other),
        (own @ None, other) => *own = other.cloned(),
        (Some(_), None) => {}
    }
}

impl Config {
    fn is_like(&self, other: &Self) -> Result<(), JoinError> {
        let text = |of: fn(&Self) -> String, what| {
            let (own, other) = (of(self), of(other));
            if own == other { Ok(()) } else { Err(JoinError::Unlike { what, own, other }) }
        };
        text(|config| config.method.clone(), "method")?;
        text(|config| config.scenario.clone().unwrap_or_else(|| "none".into()), "scenario")?;
        text(|config| config.pipeline.to_string(), "pipelining depth")?;
        text(|config| config.keepalive.to_string(), "keep-alive")?;
        text(|config| format!("{:?}", config.deadline_s), "deadline")?;
        text(|config| if config.rate.is_some() { "open" } else { "closed" }.into(), "loop")
    }
}

impl Connect {
    fn merge(&mut self, other: &Self) {
        self.ramp_s = self.ramp_s.max(other.ramp_s);
        self.latency.merge(&other.latency);
    }
}

impl OpenLoop {
    fn merge(&mut self, other: &Self) {
        self.lag.merge(self.sent, &other.lag, other.sent);
        self.own_lag.merge(self.sent, &other.own_lag, other.sent);
        add(&mut self.scheduled, other.scheduled);
        add(&mut self.sent, other.sent);
        self.begin_monotonic_s = self.begin_monotonic_s.min(other.begin_monotonic_s);
        self.achieved = Self::achieved(self.sent, self.scheduled);
    }
}

impl Lag {
    /// A mean of all sends, so each weighs by how many there were.
    fn merge(&mut self, own: u64, other: &Self, others: u64) {
        let sends = own as f64 + others as f64;
        if sends > 0.0 {
            self.mean_s = (self.mean_s * own as f64 + other.mean_s * others as f64) / sends;
        }
        self.max_s = self.max_s.max(other.max_s);
    }
}

impl Thread {
    fn append(&mut self, other: &Self) {
        add(&mut self.requests, other.requests);
        self.cpu_s += other.cpu_s;
        add(&mut self.involuntary_switches, other.involuntary_switches);
        self.per_tenth.extend(&other.per_tenth);
    }
}

impl Interval {
    /// Adds the same second of a worker, or of a driver, beside this one.
    pub(crate) fn join(&mut self, other: &Self) {
        self.start_s = self.start_s.min(other.start_s);
        self.length_s = self.length_s.max(other.length_s);
        add(&mut self.requests, other.requests);
        add(&mut self.errors, other.errors);
        add(&mut self.bytes_read, other.bytes_read);
        self.connections = self.connections.saturating_add(other.connections);
        let mut latency = self.latency.unpack();
        latency.merge(&other.latency.unpack());
        self.latency = PackedLatency::from(&latency);
    }
}

impl Checks {
    /// The worse of the two is kept; CPU time adds up.
    fn merge(&mut self, other: &Self) {
        let worse = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(if b.abs() > a.abs() { b } else { a }),
            (a, b) => a.or(b),
        };
        self.littles_residual = worse(self.littles_residual, other.littles_residual);
        self.receive_queue = worse(self.receive_queue, other.receive_queue);
        self.busy = self.busy.max(other.busy);
        self.cpu_s += other.cpu_s;
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::report::fixture::report;

    #[test]
    fn merged_runs_read_as_one_longer_run() {
        let mut merged = report();
        let mut other = report();
        other.requests = 8;
        other.connect.established = 1;
        other.checks.littles_residual = Some(-0.01);
        other.errors.status.insert(503, 1);
        merged.append(&other);
        assert_eq!(merged.requests, 12);
        assert_eq!(merged.rate(), 3.0);
        assert_eq!(merged.latency.count(), 8);
        assert_eq!(merged.connect.established, 1);
        assert_eq!(merged.checks.littles_residual, Some(-0.01));
        assert_eq!(merged.errors.list(), "status 503 1");
        assert_eq!(merged.threads[0].per_tenth, [1, 1, 2, 1, 1, 2]);
    }

    #[test]
    fn counts_from_a_file_cannot_overflow() {
        let mut merged = report();
        merged.requests = u64::MAX;
        merged.errors.write = u64::MAX;
        merged.errors.status.insert(500, u64::MAX);
        let other = merged.clone();
        merged.append(&other);
        assert_eq!(merged.requests, u64::MAX);
        assert_eq!(merged.errors.total(), u64::MAX);
    }

    /// A run that began this much later.
    fn after(seconds: f64) -> Report {
        let mut other = report();
        other.started_at += SignedDuration::from_secs_f64(seconds);
        other
    }

    fn interval(start_s: f64, latency: u64) -> Interval {
        let mut histogram = Latency::new();
        histogram.0 += latency;
        Interval {
            start_s,
            length_s: 1.0,
            requests: 1,
            errors: 2,
            bytes_read: 3,
            connections: 4,
            latency: PackedLatency::from(&histogram),
        }
    }

    #[test]
    fn drivers_side_by_side_are_one_larger_driver() {
        let mut all = report();
        all.config.rate = Some(Rate { from: 1.0, to: 2.0 });
        all.config.shard = Some("1/2".into());
        let mut other = after(0.1);
        other.config.rate = Some(Rate { from: 3.0, to: 4.0 });
        other.config.shard = Some("2/2".into());
        other.config.targets = vec!["http://127.0.0.1:8081/ping".into()];
        other.latency = Latency::new();
        other.latency.0 += 5_000_000;
        all.join(&other).unwrap();
        assert_eq!(all.config.connections, 4);
        assert_eq!(all.config.threads, 2);
        assert_eq!(all.config.rate, Some(Rate { from: 4.0, to: 6.0 }));
        assert_eq!(all.config.shard, None);
        assert_eq!(all.config.targets.len(), 2);
        assert_eq!(all.connect.established, 4);
        assert_eq!(all.requests, 8);
        assert!((all.window_s - 2.1).abs() < 1e-9, "{}", all.window_s);
        assert_eq!(all.started_at, report().started_at);
        assert_eq!(all.latency.count(), 5);
        // One of five: of the first driver alone it was 0.9 ms.
        assert!((all.latency.percentile(100.0) / 5e-3 - 1.0).abs() < 1e-3);
        assert_eq!(all.threads.len(), 2);
        assert_eq!(all.checks.peak_rss, 2 << 20);
    }

    #[test]
    fn what_was_not_measured_at_once_is_not_added() {
        for (late, share) in [(0.5, 75.0), (3.0, 0.0), (-1.0, 50.0)] {
            let mut all = report();
            let error = all.join(&after(late)).unwrap_err();
            assert_eq!(error, JoinError::NotAtOnce { share });
            assert_eq!(all.requests, report().requests);
        }
        assert!(report().join(&after(0.19)).is_ok());
    }

    #[test]
    fn what_was_another_load_is_not_added() {
        type Change = fn(&mut Report);
        let changes: [(&str, Change); 6] = [
            ("method", |other| other.config.method = "GET".into()),
            ("scenario", |other| other.config.scenario = None),
            ("pipelining depth", |other| other.config.pipeline = 2),
            ("keep-alive", |other| other.config.keepalive = false),
            ("deadline", |other| other.config.deadline_s = Some(1.0)),
            ("loop", |other| other.config.rate = Some(Rate { from: 1.0, to: 1.0 })),
        ];
        for (what, change) in changes {
            let mut other = report();
            change(&mut other);
            let error = report().join(&other).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn the_same_second_of_two_drivers_is_added() {
        let (mut all, mut other) = (report(), report());
        all.intervals = vec![interval(0.0, 1_000)];
        other.intervals = vec![interval(0.0, 2_000), interval(1.0, 3_000)];
        all.join(&other).unwrap();
        let counts: Vec<_> = all.intervals.iter().map(|second| second.requests).collect();
        assert_eq!(counts, [2, 1]);
        let first = &all.intervals[0];
        assert_eq!((first.errors, first.bytes_read, first.connections), (4, 6, 8));
        assert_eq!(first.latency.unpack().count(), 2);
        assert_eq!(first.latency.unpack().0.min(), 1_000);
    }

    #[test]
    fn seconds_of_windows_that_opened_apart_are_added_to_those_at_the_same_time() {
        let seconds = [0.0, 1.0, 2.0].map(|start_s| interval(start_s, 1_000));
        for (offset, counts) in [
            (0.4, vec![2, 2, 2]),
            (-0.4, vec![2, 2, 2]),
            (0.6, vec![1, 2, 2, 1]),
            (-1.2, vec![1, 2, 2, 1]),
        ] {
            let joined = join_intervals(&seconds, &seconds, offset);
            let found: Vec<_> = joined.iter().map(|second| second.requests).collect();
            assert_eq!(found, counts, "{offset}");
            assert_eq!(joined[0].start_s, 0.0);
        }
    }

    #[test]
    fn seconds_of_some_drivers_are_none_of_all() {
        let (mut all, mut other) = (report(), report());
        all.intervals = vec![interval(0.0, 1_000)];
        all.join(&other).unwrap();
        assert!(all.intervals.is_empty());
        other.intervals = vec![interval(0.0, 1_000)];
        all.join(&other).unwrap();
        assert!(all.intervals.is_empty());
    }

    #[test]
    fn shards_are_each_added_once_until_all_are_there() {
        let shards = |own: &str, other: &str| join_shards(Some(own), Some(other)).unwrap();
        assert_eq!(shards("2/2", "1/2"), None);
        assert_eq!(shards("3/4", "1/4").as_deref(), Some("1+3/4"));
        assert_eq!(shards("1+3/4", "2/4").as_deref(), Some("1+2+3/4"));
        assert_eq!(shards("1+2+3/4", "4/4"), None);
        assert_eq!(join_shards(None, None), Ok(None));
        for (own, other) in [
            (Some("1/2"), Some("1/2")),
            (Some("1+3/4"), Some("3/4")),
            (Some("1/2"), Some("2/3")),
            (Some("1/2"), None),
            (Some("nonsense"), Some("1/2")),
        ] {
            let error = join_shards(own, other).unwrap_err().to_string();
            assert!(error.contains("shard"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_said_of_one_driver_cannot_be_said_of_all() {
        let (mut all, mut other) = (report(), report());
        other.verdict.invalid = vec!["it began late".into()];
        all.join(&other).unwrap();
        all.join(&other).unwrap();
        assert_eq!(all.verdict.invalid, ["it began late"]);
    }

    #[test]
    fn of_lags_the_mean_is_that_of_all_sends_and_the_worst_is_kept() {
        let open_loop = |sent, mean_s, max_s| OpenLoop {
            begin_monotonic_s: 1.0,
            scheduled: 100,
            sent,
            achieved: 1.0,
            lag: Lag { mean_s, max_s },
            own_lag: Lag::default(),
        };
        let mut all = open_loop(30, 0.1, 0.5);
        all.merge(&open_loop(90, 0.3, 0.4));
        assert!((all.lag.mean_s - 0.25).abs() < 1e-12);
        assert_eq!((all.lag.max_s, all.sent, all.achieved), (0.5, 120, 0.6));
    }
}
