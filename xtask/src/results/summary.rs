//! From the samples of a run to the rows of its tables. What a report shows is computed here, once,
//! for every format.

use std::collections::{BTreeMap, BTreeSet};

use driver::report::{Checks, Report};

use crate::results::record::{Cell, Measurement, Outcome, Problem, Run, Sample, Server};
use crate::results::stats::{self, Comparison, Interval};

/// Half an interval's width beyond which the median is too vague to quote: 10 % of it.
const WIDEST_SPREAD: f64 = 0.10;

#[derive(Clone, Debug)]
pub struct Summary {
    pub levels: Vec<Level>,
    pub failures: Vec<Failure>,
    /// Samples that the plan asks for and the folder does not hold.
    pub missing: usize,
    /// Samples in the folder that the plan does not ask for; they are in no table.
    pub unplanned: usize,
}

/// What is compared with each other: the same load on the same number of server threads.
#[derive(Clone, Debug)]
pub struct Level {
    pub scenario: String,
    pub threads: u32,
    pub connections: u32,
    /// By rank, then by rate; rows without a rank come last.
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub cell: Cell,
    /// The server's display name, and the variant.
    pub name: String,
    /// `None` when no round has a rate to rank.
    pub rank: Option<Rank>,
    /// Rounds that were measured, failed, and planned.
    pub measured: usize,
    pub failed: usize,
    pub planned: usize,
    /// `None` when no round was measured.
    pub figures: Option<Figures>,
    /// Its rate against the first row's, paired by round.
    pub against_first: Option<Comparison>,
    pub marks: BTreeSet<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    pub place: usize,
    /// Whether another row of the level has the same place.
    pub shared: bool,
}

#[derive(Clone, Debug)]
pub struct Figures {
    /// Correct responses per second: median over the rounds.
    pub rate: f64,
    /// Of the median; `None` with too few rounds.
    pub rate_interval: Option<Interval>,
    /// Bytes per second: median over the rounds.
    pub transfer: f64,
    /// All rounds as one: histograms merged, counts added, the worst of each check.
    pub merged: Report,
    /// Processes that shared the connections.
    pub instances: u32,
    /// `None` when nothing was answered.
    pub server_cpu_us_per_request: Option<f64>,
    /// Server CPU seconds per second of window: how many cores it used.
    pub server_cores: f64,
    /// In bytes: the highest of the rounds.
    pub server_peak_rss: u64,
    pub listen_overflows: u64,
}

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
                "a driver thread used at least {:.0} % of a core while the server had CPU time \
                 left: the driver was the limit, and the server can do more than shown.",
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

/// One problem, and everything it kept from being measured.
#[derive(Clone, Debug)]
pub struct Failure {
    /// A server or a variant of it.
    pub of: String,
    /// The level, when it is of one level only.
    pub connections: Option<u32>,
    /// Empty when nothing of it was measured in any round.
    pub rounds: Vec<u32>,
    pub problem: Problem,
}

pub fn summarise(run: &Run, samples: &[Sample]) -> Summary {
    // A step that was taken again after a failure counts as it went the last time.
    let mut taken: BTreeMap<(&Cell, u32), &Sample> = BTreeMap::new();
    for sample in samples {
        taken.insert((&sample.step.cell, sample.step.round), sample);
    }
    let mut planned: BTreeMap<&Cell, BTreeSet<u32>> = BTreeMap::new();
    for step in &run.plan {
        planned.entry(&step.cell).or_default().insert(step.round);
    }
    let steps: usize = planned.values().map(BTreeSet::len).sum();
    let asked =
        |(cell, round): &(&Cell, u32)| planned.get(*cell).is_some_and(|r| r.contains(round));
    let unplanned = taken.keys().filter(|key| !asked(key)).count();
    taken.retain(|key, _| asked(key));

    let mut failures = not_measured(run);
    let mut levels: BTreeMap<(&str, u32, u32), Vec<Rated>> = BTreeMap::new();
    for (cell, rounds) in &planned {
        let samples: Vec<Option<&Sample>> =
            rounds.iter().map(|round| taken.get(&(*cell, *round)).copied()).collect();
        failures.extend(failed_samples(run, cell, &samples));
        levels
            .entry((&cell.scenario, cell.threads, cell.connections))
            .or_default()
            .push(row(run, cell, &samples));
    }
    Summary {
        levels: levels
            .into_iter()
            .map(|((scenario, threads, connections), rows)| Level {
                scenario: scenario.to_owned(),
                threads,
                connections,
                rows: ranked(rows),
            })
            .collect(),
        failures,
        missing: steps - taken.len(),
        unplanned,
    }
}

/// A row and its rate in each planned round, NaN where there is none.
type Rated = (Row, Vec<f64>);

fn row(run: &Run, cell: &Cell, samples: &[Option<&Sample>]) -> Rated {
    let outcomes: Vec<Option<&Outcome>> = samples.iter().map(|s| s.map(|s| &s.outcome)).collect();
    let measured: Vec<&Measurement> = outcomes.iter().filter_map(|o| measurement(*o)).collect();
    let rates =
        outcomes.iter().map(|o| measurement(*o).map_or(f64::NAN, |m| m.driver.rate())).collect();
    let failed = outcomes.iter().filter(|o| matches!(o, Some(Outcome::Failed(_)))).count();
    let figures = figures(&measured);
    let mut row = Row {
        cell: cell.clone(),
        name: name(run, &cell.server, &cell.variant),
        rank: None,
        measured: measured.len(),
        failed,
        planned: samples.len(),
        against_first: None,
        marks: BTreeSet::new(),
        figures,
    };
    row.marks = marks(run, &row, &measured);
    (row, rates)
}

fn measurement(outcome: Option<&Outcome>) -> Option<&Measurement> {
    match outcome {
        Some(Outcome::Measured(measurement)) => Some(measurement),
        _ => None,
    }
}

fn figures(measured: &[&Measurement]) -> Option<Figures> {
    let (first, others) = measured.split_first()?;
    let mut merged = first.driver.clone();
    for other in others {
        merged.merge(&other.driver);
    }
    let rates: Vec<f64> = measured.iter().map(|m| m.driver.rate()).collect();
    let transfers: Vec<f64> = measured.iter().map(|m| m.driver.transfer()).collect();
    let cpu_s: f64 = measured.iter().map(|m| m.server.cpu_s).sum();
    let ratio = |a: f64, b: f64| (b > 0.0).then(|| a / b);
    Some(Figures {
        rate: stats::median(&rates).unwrap_or(0.0),
        rate_interval: stats::median_interval(&rates, stats::CONFIDENCE),
        transfer: stats::median(&transfers).unwrap_or(0.0),
        instances: measured.iter().map(|m| m.instances).max().unwrap_or(0),
        server_cpu_us_per_request: ratio(cpu_s * 1e6, merged.requests as f64),
        server_cores: ratio(cpu_s, merged.window_s).unwrap_or(0.0),
        server_peak_rss: measured.iter().map(|m| m.server.peak_rss).max().unwrap_or(0),
        listen_overflows: measured.iter().fold(0, |sum, m| sum.saturating_add(m.listen_overflows)),
        merged,
    })
}

fn marks(run: &Run, row: &Row, measured: &[&Measurement]) -> BTreeSet<Mark> {
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
    mark(Mark::Errors, merged.errors.total() > 0 || merged.errors_before.total() > 0);
    mark(Mark::ConnectionsMissing, merged.connect.established < row.cell.connections);
    mark(Mark::LittlesLaw, merged.checks.littles_residual.abs() > Checks::LITTLES_TOLERANCE);
    mark(Mark::AcceptQueue, figures.listen_overflows > 0);
    mark(Mark::FewRounds, figures.rate_interval.is_none());
    mark(
        Mark::Spread,
        figures
            .rate_interval
            .is_some_and(|i| (i.high - i.low) / 2.0 > WIDEST_SPREAD * figures.rate),
    );
    // The most that the server could use; below it, the server was waiting for the driver.
    let cores = (row.cell.threads as usize).min(run.placement.server.len()) as f64;
    mark(
        Mark::DriverBound,
        measured.iter().any(|m| {
            m.driver.checks.busiest_thread >= Checks::BUSY
                && m.server.cpu_s < Checks::BUSY * cores * m.driver.window_s
        }),
    );
    marks
}

/// Gives the rows of one level their ranks, and puts them in order.
fn ranked(rows: Vec<Rated>) -> Vec<Row> {
    // A row that never answered has no ratio to any other, so it would tie with all of them.
    let ranks = |row: &Row| row.figures.as_ref().is_some_and(|f| f.rate > 0.0);
    let (mut fit, unfit): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(row, _)| ranks(row));
    let rates: Vec<Vec<f64>> = fit.iter().map(|(_, rates)| rates.clone()).collect();
    let places = stats::ranks(&rates);
    for ((row, _), place) in fit.iter_mut().zip(&places) {
        let shared = places.iter().filter(|other| *other == place).count() > 1;
        row.rank = Some(Rank { place: *place, shared });
    }
    let rate = |row: &Row| row.figures.as_ref().map_or(0.0, |figures| figures.rate);
    let place = |row: &Row| row.rank.map(|rank| rank.place);
    fit.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then(rate(b).total_cmp(&rate(a))));
    if let Some(((_, first), others)) = fit.split_first_mut() {
        for (row, rates) in others {
            row.against_first = stats::compare(rates, first);
        }
    }
    fit.into_iter().chain(unfit).map(|(row, _)| row).collect()
}

fn name(run: &Run, server: &str, variant: &str) -> String {
    let display = run.servers.iter().find(|s| s.name == server).map_or(server, |s| &s.display);
    format!("{display} / {variant}")
}

/// Servers and variants that were left out before the first round.
fn not_measured(run: &Run) -> Vec<Failure> {
    let failure = |of: String, problem: &Option<Problem>| {
        problem.as_ref().map(|problem| Failure {
            of,
            connections: None,
            rounds: Vec::new(),
            problem: problem.clone(),
        })
    };
    let of_server = |server: &Server| {
        let variants = server
            .variants
            .iter()
            .filter_map(|v| failure(name(run, &server.name, &v.name), &v.problem));
        failure(server.display.clone(), &server.problem)
            .into_iter()
            .chain(variants)
            .collect::<Vec<_>>()
    };
    run.servers.iter().flat_map(of_server).collect()
}

/// The failed samples of one cell; the same problem in several rounds is told once.
fn failed_samples(run: &Run, cell: &Cell, samples: &[Option<&Sample>]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for sample in samples.iter().flatten() {
        let Outcome::Failed(problem) = &sample.outcome else {
            continue;
        };
        let round = sample.step.round;
        match failures.iter_mut().find(|f| f.problem == *problem) {
            Some(failure) => failure.rounds.push(round),
            None => failures.push(Failure {
                of: name(run, &cell.server, &cell.variant),
                connections: Some(cell.connections),
                rounds: vec![round],
                problem: problem.clone(),
            }),
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, Builder};

    /// Six rounds of one cell, changed by `change`, and the row that comes of them.
    fn row_of(change: impl Fn(&mut Measurement)) -> Row {
        let mut builder = Builder::new(6).cell("axum", "serde_json", 400, 100_000.0);
        builder.change_all(change);
        let summary = summarise(&builder.run, &builder.samples);
        summary.levels[0].rows[0].clone()
    }

    fn marks_of(change: impl Fn(&mut Measurement)) -> Vec<Mark> {
        row_of(change).marks.into_iter().collect()
    }

    #[test]
    fn a_clean_row_has_no_marks_and_all_its_figures() {
        let row = row_of(|_| {});
        assert!(row.marks.is_empty(), "{:?}", row.marks);
        assert_eq!((row.measured, row.failed, row.planned), (6, 0, 6));
        let figures = row.figures.expect("measured");
        assert!((figures.rate / 100_000.0 - 1.0).abs() < 0.01);
        let interval = figures.rate_interval.expect("six rounds");
        assert!(interval.low < figures.rate && figures.rate < interval.high);
        assert_eq!(figures.merged.window_s, 18.0);
        let cpu = figures.server_cpu_us_per_request.expect("requests");
        assert!((9.0..11.0).contains(&cpu), "{cpu}");
    }

    #[test]
    fn each_mark_is_set_by_its_own_cause() {
        use Mark::*;
        assert_eq!(marks_of(|m| m.driver.errors.timeout = 1), [Errors]);
        assert_eq!(marks_of(|m| m.driver.errors_before.write = 1), [Errors]);
        assert_eq!(marks_of(|m| m.driver.connect.established = 399), [ConnectionsMissing]);
        assert_eq!(marks_of(|m| m.driver.checks.littles_residual = -0.03), [LittlesLaw]);
        assert_eq!(marks_of(|m| m.listen_overflows = 1), [AcceptQueue]);
        assert_eq!(
            marks_of(|m| m.driver.window_s *= 1.0 + (m.driver.started_at.as_second() % 2) as f64),
            [Spread]
        );
        let idle_server = |m: &mut Measurement| {
            m.driver.checks.busiest_thread = 0.97;
            m.server.cpu_s = 0.5 * m.driver.window_s;
        };
        assert_eq!(marks_of(idle_server), [DriverBound]);
        let busy_server = |m: &mut Measurement| {
            m.driver.checks.busiest_thread = 0.97;
            m.server.cpu_s = m.driver.window_s;
        };
        assert_eq!(marks_of(busy_server), []);
    }

    #[test]
    fn no_answers_is_marked_and_not_ranked() {
        let row = row_of(|m| {
            m.driver.requests = 0;
            m.driver.latency = driver::report::Latency::new();
        });
        assert!(row.marks.contains(&Mark::NoAnswers));
        assert_eq!(row.rank, None);
        assert_eq!(row.figures.expect("measured").server_cpu_us_per_request, None);
    }

    #[test]
    fn faster_rows_come_first_and_unresolved_ones_share_a_rank() {
        let builder = Builder::new(6)
            .cell("axum", "serde_json", 400, 100_000.0)
            .cell("hyper", "serde_json", 400, 150_000.0)
            .cell("axum", "simd-json", 400, 100_200.0);
        let summary = summarise(&builder.run, &builder.samples);
        let ranks: Vec<_> = summary.levels[0]
            .rows
            .iter()
            .map(|row| (row.cell.server.as_str(), row.rank.expect("ranked")))
            .map(|(server, rank)| (server, rank.place, rank.shared))
            .collect();
        assert_eq!(ranks, [("hyper", 1, false), ("axum", 2, true), ("axum", 2, true)]);
    }

    #[test]
    fn one_round_ties_and_is_marked() {
        let builder = Builder::new(1).cell("axum", "serde_json", 2, 100_000.0).cell(
            "hyper",
            "serde_json",
            2,
            150_000.0,
        );
        let summary = summarise(&builder.run, &builder.samples);
        for row in &summary.levels[0].rows {
            assert_eq!(row.rank.map(|r| (r.place, r.shared)), Some((1, true)));
            assert_eq!(row.marks, BTreeSet::from([Mark::FewRounds]));
        }
    }

    #[test]
    fn every_sample_and_problem_is_accounted_for() {
        let summary = summarise(&fixture::run(), &fixture::samples());
        let told: Vec<_> = summary
            .failures
            .iter()
            .map(|f| (f.of.as_str(), f.connections, f.rounds.as_slice()))
            .collect();
        assert_eq!(
            told,
            [
                ("Express", None, &[][..]),
                ("may_minihttp / serde_json", Some(400), &[1, 2, 3, 4, 5, 6]),
                ("may_minihttp / serde_json", Some(20_000), &[3]),
            ]
        );
        let whole = fixture::samples();
        let summary = summarise(&fixture::run(), &whole[..whole.len() - 2]);
        assert_eq!(summary.missing, 2);
        let not_taken = summary
            .levels
            .iter()
            .flat_map(|level| &level.rows)
            .filter(|row| row.marks.contains(&Mark::NotTaken));
        assert_eq!(not_taken.count(), 1, "both were of the last cell");
    }

    #[test]
    fn a_sample_of_another_plan_is_counted_and_left_out() {
        let mut samples = fixture::samples();
        samples[0].step.round = 77;
        let summary = summarise(&fixture::run(), &samples);
        assert_eq!((summary.unplanned, summary.missing), (1, 1));
    }

    #[test]
    fn nothing_measured_at_all_is_a_summary_too() {
        let summary = summarise(&fixture::run(), &[]);
        assert_eq!(summary.missing, fixture::run().plan.len());
        let mut empty = fixture::run();
        empty.plan.clear();
        empty.servers.clear();
        assert!(summarise(&empty, &[]).levels.is_empty());
    }
}
