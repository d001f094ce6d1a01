//! Whether a run may be taken at its word: what would make a reader draw the wrong conclusion from
//! its figures, with the reason.

use serde::{Deserialize, Serialize};

use super::join::unite;
use super::{Checks, OpenLoop, Report};

/// Reasons, as sentences; an empty list is the good case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Why the load was not the one that was asked for.
    pub invalid: Vec<String>,
    /// Why the driver, not the server, was the limit.
    pub driver_bound: Vec<String>,
}

/// Achieved ÷ target rate below which an open loop is not the load that was asked for.
const ACHIEVED: f64 = 0.99;
/// The share of answers lying in the driver's sockets from which its own queue is the longer part of
/// what it measures.
const RECEIVE_QUEUE: f64 = 0.5;
/// The driver's own part of the mean latency of an open loop that is still nobody's concern.
const OWN_LAG: f64 = 0.1;
/// How much later than asked for the load may begin: what one look of the main thread takes.
const LATE_S: f64 = 0.1;

impl Verdict {
    /// What the figures of `report` say.
    pub fn of(report: &Report) -> Self {
        Self { invalid: invalid(report), driver_bound: driver_bound(report) }
    }

    /// Adds another's reasons, those that are not there yet.
    pub(crate) fn unite(&mut self, other: &Self) {
        unite(&mut self.invalid, &other.invalid);
        unite(&mut self.driver_bound, &other.driver_bound);
    }
}

fn invalid(report: &Report) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(open_loop) = &report.open_loop
        // The last one may have been due a moment before the end.
        && OpenLoop::achieved(open_loop.sent.saturating_add(1), open_loop.scheduled) < ACHIEVED
    {
        let why = if driver_bound(report).is_empty() {
            "the connections were waiting for the server: it is slower than the rate, or there are \
             too few connections for its latency (-c)"
        } else {
            "the driver could not send faster: use more threads (-t)"
        };
        reasons.push(format!(
            "{:.1} % of the requests that were due were sent; {why}",
            100.0 * open_loop.achieved
        ));
    }
    if let Some(start_at) = report.config.start_at {
        let late =
            report.started_at.duration_since(start_at).as_secs_f64() - report.config.warmup_s;
        if late > LATE_S {
            reasons.push(format!(
                "the load began {late:.1} s after the time that was asked for: opening the \
                 connections took longer"
            ));
        }
    }
    reasons
}

fn driver_bound(report: &Report) -> Vec<String> {
    let checks = &report.checks;
    let mut reasons = Vec::new();
    // An open loop stays awake for what is due soon, and so is busy while it has time.
    if report.open_loop.is_none() && checks.busy >= Checks::BUSY {
        let busiest = report.threads.iter().map(|thread| thread.cpu_s).fold(0.0, f64::max);
        reasons.push(if busiest >= Checks::BUSY * report.window_s {
            format!(
                "a thread used {:.0} % of a core; more threads (-t) may measure more",
                100.0 * checks.busy
            )
        } else {
            format!(
                "its threads used {:.0} % of the CPUs that they may run on; more CPUs may measure more",
                100.0 * checks.busy
            )
        });
    }
    if let Some(share) = checks.receive_queue
        && share >= RECEIVE_QUEUE
    {
        reasons.push(format!(
            "of the requests in flight, {:.0} % had their answer lying unread in the driver",
            100.0 * share
        ));
    }
    if let Some(open_loop) = &report.open_loop
        && open_loop.own_lag.mean_s > OWN_LAG * report.latency.mean()
        && report.latency.count() > 0
    {
        reasons.push(format!(
            "requests were sent {:.3} ms late on average by the driver alone, {:.0} % of the mean \
             latency",
            1e3 * open_loop.own_lag.mean_s,
            100.0 * open_loop.own_lag.mean_s / report.latency.mean()
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::report;
    use crate::report::{Lag, OpenLoop};

    fn at_a_rate(sent: u64) -> Report {
        let mut report = report();
        report.checks.littles_residual = None;
        report.open_loop = Some(OpenLoop {
            begin_monotonic_s: 0.0,
            scheduled: 1000,
            sent,
            achieved: sent as f64 / 1000.0,
            lag: Lag::default(),
            own_lag: Lag::default(),
        });
        report
    }

    #[test]
    fn a_run_without_fault_is_taken_at_its_word() {
        assert_eq!(Verdict::of(&report()), Verdict::default());
        // The last request may have been due a moment before the end.
        assert_eq!(Verdict::of(&at_a_rate(989)), Verdict::default());
    }

    #[test]
    fn a_rate_that_was_not_reached_is_invalid_and_the_reason_says_who_was_slow() {
        let mut report = at_a_rate(988);
        let verdict = Verdict::of(&report);
        assert!(verdict.invalid[0].contains("98.8 %"), "{verdict:?}");
        assert!(verdict.invalid[0].contains("waiting for the server"), "{verdict:?}");
        assert!(verdict.driver_bound.is_empty());
        report.checks.receive_queue = Some(0.6);
        let verdict = Verdict::of(&report);
        assert!(verdict.invalid[0].contains("the driver could not send faster"), "{verdict:?}");
    }

    #[test]
    fn a_late_start_is_invalid() {
        let mut report = report();
        report.config.start_at = Some(report.started_at);
        report.started_at += std::time::Duration::from_secs_f64(report.config.warmup_s + 0.05);
        assert!(Verdict::of(&report).invalid.is_empty());
        report.started_at += std::time::Duration::from_secs(1);
        assert!(Verdict::of(&report).invalid[0].contains("1.0 s after"));
    }

    #[test]
    fn a_full_core_means_the_driver_only_where_it_sends_as_fast_as_it_can() {
        let mut closed = report();
        closed.checks.busy = 0.96;
        assert!(Verdict::of(&closed).driver_bound[0].contains("96 % of the CPUs"));
        closed.threads[0].cpu_s = 0.96 * closed.window_s;
        assert!(Verdict::of(&closed).driver_bound[0].contains("96 % of a core"));
        let mut open = at_a_rate(1000);
        open.checks.busy = 0.96;
        assert!(Verdict::of(&open).driver_bound.is_empty());
    }

    #[test]
    fn answers_that_lie_unread_mean_the_driver() {
        let mut report = report();
        report.checks.receive_queue = Some(0.49);
        assert!(Verdict::of(&report).driver_bound.is_empty());
        report.checks.receive_queue = Some(0.51);
        assert!(Verdict::of(&report).driver_bound[0].contains("51 %"));
    }

    #[test]
    fn its_own_lateness_means_the_driver_when_it_is_a_part_of_the_latency() {
        let mut report = at_a_rate(1000);
        let mean_s = report.latency.mean();
        let mut with_own_lag = |mean_s| {
            let open_loop = report.open_loop.as_mut().expect("an open loop");
            open_loop.own_lag = Lag { mean_s, max_s: mean_s };
            Verdict::of(&report).driver_bound
        };
        assert!(with_own_lag(0.09 * mean_s).is_empty());
        assert!(with_own_lag(0.11 * mean_s)[0].contains("11 % of the mean"));
    }
}
