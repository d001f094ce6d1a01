//! The marks of a row: what each says, and when it is set.

use std::collections::BTreeSet;

use driver::report::Checks;

use super::Row;
use crate::results::record::{Measurement, Run};

/// Half an interval's width beyond which the median is too vague to quote: 10 % of it.
const WIDEST_SPREAD: f64 = 0.10;

/// Why a row is not to be taken at face value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Failed,
    NotTaken,
    NoAnswers,
    Errors,
    ConnectionsMissing,
    DriverBound,
    LittlesLaw,
    AcceptQueue,
    Spread,
    FewRounds,
}

impl Mark {
    /// The word shown in the row.
    pub fn text(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotTaken => "not taken",
            Self::NoAnswers => "no answers",
            Self::Errors => "errors",
            Self::ConnectionsMissing => "connections missing",
            Self::DriverBound => "driver-bound",
            Self::LittlesLaw => "Little's law",
            Self::AcceptQueue => "accept queue",
            Self::Spread => "wide",
            Self::FewRounds => "few rounds",
        }
    }

    pub fn explanation(self) -> String {
        match self {
            Self::Failed => {
                "at least one round could not be measured; see Failures. The figures are of the \
                 other rounds."
                    .into()
            }
            Self::NotTaken => "the run ended before all of the row's rounds were taken.".into(),
            Self::NoAnswers => {
                "in at least one round not one correct response arrived inside the window; such a \
                 round counts as 0 in the median."
                    .into()
            }
            Self::Errors => {
                "there were errors, listed below the table. They are never counted as requests, \
                 but a server that fails requests is not doing the same work."
                    .into()
            }
            Self::ConnectionsMissing => {
                "fewer connections than asked for were open, so the load was lighter than the \
                 table says."
                    .into()
            }
            Self::DriverBound => format!(
                "the driver used at least {:.0} % of the CPU time it could have, or half of the \
                 answers lay unread in its sockets, while the server had CPU time left: the driver \
                 was the limit, and the server can do more than shown.",
                100.0 * Checks::BUSY
            ),
            Self::LittlesLaw => format!(
                "throughput × mean latency differs from the connections by more than {:.0} %, so \
                 rate and latency do not describe the same load.",
                100.0 * Checks::LITTLES_TOLERANCE
            ),
            Self::AcceptQueue => {
                "the kernel dropped connections on this host because an accept queue was full; \
                 connecting was repeated."
                    .into()
            }
            Self::Spread => format!(
                "half of the interval is wider than {:.0} % of the median.",
                100.0 * WIDEST_SPREAD
            ),
            Self::FewRounds => {
                "fewer than six rounds were measured, too few for a 95 % interval of the median; \
                 with one, nothing can be told apart and every row ties."
                    .into()
            }
        }
    }
}

/// The marks of a row whose figures come of `measured`.
pub fn of(run: &Run, row: &Row, measured: &[&Measurement]) -> BTreeSet<Mark> {
    let mut marks = BTreeSet::new();
    let mut mark = |mark, holds| {
        if holds {
            marks.insert(mark);
        }
    };
    mark(Mark::Failed, row.failed > 0);
    mark(Mark::NotTaken, row.measured + row.failed < row.planned);
    let Some(figures) = &row.figures else {
        return marks;
    };
    let merged = &figures.merged;
    mark(Mark::NoAnswers, measured.iter().any(|m| m.driver.requests == 0));
    mark(Mark::Errors, merged.errors_in_all() > 0);
    mark(Mark::ConnectionsMissing, merged.connect.established < row.cell.connections);
    mark(Mark::LittlesLaw, !merged.checks.littles_law_holds());
    mark(Mark::AcceptQueue, figures.listen_overflows > 0);
    mark(Mark::FewRounds, figures.rate_interval.is_none());
    mark(
        Mark::Spread,
        figures.rate_interval.is_some_and(|i| i.half_width() > WIDEST_SPREAD * figures.rate),
    );
    // The most that the server could use; below it, the server was waiting for the driver.
    let serving = row.cell.threads as usize * figures.instances as usize;
    let cores = serving.min(run.placement.server.len()) as f64;
    mark(
        Mark::DriverBound,
        measured.iter().any(|m| {
            !m.driver.verdict.driver_bound.is_empty()
                && m.server.cpu_s < Checks::BUSY * cores * m.driver.window_s
        }),
    );
    marks
}

#[cfg(test)]
mod tests {
    use super::super::tests::row_of;
    use super::*;

    fn marks_of(change: impl Fn(&mut Measurement)) -> Vec<Mark> {
        row_of(change).marks.into_iter().collect()
    }

    #[test]
    fn each_mark_is_set_by_its_own_cause() {
        use Mark::*;
        assert_eq!(marks_of(|m| m.driver.errors.timeout = 1), [Errors]);
        assert_eq!(marks_of(|m| m.driver.errors_before.write = 1), [Errors]);
        assert_eq!(marks_of(|m| m.driver.connect.established = 399), [ConnectionsMissing]);
        assert_eq!(marks_of(|m| m.driver.checks.littles_residual = Some(-0.03)), [LittlesLaw]);
        assert_eq!(marks_of(|m| m.listen_overflows = 1), [AcceptQueue]);
        assert_eq!(
            marks_of(|m| m.driver.window_s *= 1.0 + (m.driver.started_at.as_second() % 2) as f64),
            [Spread]
        );
        let idle_server = |m: &mut Measurement| {
            m.driver.verdict.driver_bound = vec!["a thread used 97 % of a core".into()];
            m.server.cpu_s = 0.5 * m.driver.window_s;
        };
        assert_eq!(marks_of(idle_server), [DriverBound]);
        let busy_server = |m: &mut Measurement| {
            m.driver.verdict.driver_bound = vec!["a thread used 97 % of a core".into()];
            m.server.cpu_s = m.driver.window_s;
        };
        assert_eq!(marks_of(busy_server), []);
    }
}
