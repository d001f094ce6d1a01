//! Whether a run may be taken at its word: what would make a reader draw the wrong conclusion from
//! its figures, with the reason.

use serde::{Deserialize, Serialize};

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
        reasons.push(format!(
            "a thread used {:.0} % of a core; more threads (-t) may measure more",
            100.0 * checks.busy
        ));
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
