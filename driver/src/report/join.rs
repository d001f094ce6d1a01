//! Several reports as one: runs one after another, or drivers side by side. Histograms and counts are
//! added; nothing is ever averaged.

use super::{
    Checks, Config, Connect, Interval, Lag, Latency, OpenLoop, Rate, Report, SCHEMA, Thread,
    Verdict, add,
};

/// Reports that are not of one load.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum JoinError {
    #[error(
        "it has schema {0}, and only {SCHEMA} can be joined: make it with a driver of this version"
    )]
    Schema(u32),
    #[error("its {what} is {other}, and that of the others is {own}: it was another load")]
    Unlike { what: &'static str, own: String, other: String },
    #[error(
        "its window overlaps the others' for {share:.0} % only, and rates add up only when they were \
         measured at the same time: start the drivers with one --start-at"
    )]
    NotAtOnce { share: f64 },
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
    }

    /// Adds a driver that ran beside this one, as if both were one larger driver: connections, rates
    /// and counts add up over the same window.
    ///
    /// # Errors
    /// [`JoinError`] when they were not the same load at the same time; nothing was added then.
    pub fn join(&mut self, other: &Self) -> Result<(), JoinError> {
        if other.schema != self.schema {
            return Err(JoinError::Schema(other.schema));
        }
        self.config.is_like(&other.config)?;
        let offset = other.started_at.duration_since(self.started_at).as_secs_f64();
        let end = (offset + other.window_s).max(self.window_s);
        let both = (offset + other.window_s).min(self.window_s) - offset.max(0.0);
        let longest = self.window_s.max(other.window_s);
        if both < OVERLAP * longest {
            return Err(JoinError::NotAtOnce { share: 100.0 * (both / longest).max(0.0) });
        }
        self.started_at = self.started_at.min(other.started_at);
        self.window_s = end - offset.min(0.0);
        for target in &other.config.targets {
            if !self.config.targets.contains(target) {
                self.config.targets.push(target.clone());
            }
        }
        self.config.connections = self.config.connections.saturating_add(other.config.connections);
        self.config.threads = self.config.threads.saturating_add(other.config.threads);
        self.config.rate = match (self.config.rate, other.config.rate) {
            (Some(own), Some(other)) => {
                Some(Rate { from: own.from + other.from, to: own.to + other.to })
            }
            (own, _) => own,
        };
        self.config.shard = None;
        self.connect.established =
            self.connect.established.saturating_add(other.connect.established);
        self.connect.merge(&other.connect);
        self.threads.extend(other.threads.iter().cloned());
        for (index, interval) in other.intervals.iter().enumerate() {
            match self.intervals.get_mut(index) {
                Some(own) => own.join(interval),
                None => self.intervals.push(interval.clone()),
            }
        }
        self.checks.peak_rss = self.checks.peak_rss.saturating_add(other.checks.peak_rss);
        self.add_counts(other);
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
        self.verdict = Verdict::of(self);
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
        self.length_s = self.length_s.max(other.length_s);
        add(&mut self.requests, other.requests);
        add(&mut self.errors, other.errors);
        add(&mut self.bytes_read, other.bytes_read);
        self.connections = self.connections.saturating_add(other.connections);
        self.latency.merge(&other.latency);
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
