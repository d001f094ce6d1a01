//! From the samples of a run to the rows of its tables. What a report shows is computed here, once,
//! for every format.

mod failures;
mod marks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use driver::report::Report;

use crate::results::record::{Cell, Measurement, Outcome, Run, Sample};
use crate::results::stats::{self, Comparison, Interval};

pub use failures::Failure;
pub use marks::Mark;

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
    /// By rate, and so by rank; rows without a rank come last.
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

/// `1`, or `2=` when it is shared.
impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, if self.shared { "=" } else { "" })
    }
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

    let mut failures = failures::not_measured(run);
    let mut levels: BTreeMap<(&str, u32, u32), Vec<Rated>> = BTreeMap::new();
    for (cell, rounds) in &planned {
        let samples: Vec<Option<&Sample>> =
            rounds.iter().map(|round| taken.get(&(*cell, *round)).copied()).collect();
        failures.extend(failures::failed_samples(run, cell, &samples));
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
        name: display(run, &cell.server, &cell.variant),
        rank: None,
        measured: measured.len(),
        failed,
        planned: samples.len(),
        against_first: None,
        marks: BTreeSet::new(),
        figures,
    };
    row.marks = marks::of(run, &row, &measured);
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
        merged.append(&other.driver);
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

/// Gives the rows of one level their ranks, and puts them in order.
fn ranked(rows: Vec<Rated>) -> Vec<Row> {
    // A row that never answered, or in one of several rounds only, cannot be compared with any
    // other, so it would tie with all of them.
    let is_fit = |(row, rates): &Rated| {
        let answered = rates.iter().filter(|rate| **rate > 0.0).count();
        row.figures.as_ref().is_some_and(|f| f.rate > 0.0) && answered >= rates.len().min(2)
    };
    let (mut fit, unfit): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_fit);
    let rate = |row: &Row| row.figures.as_ref().map_or(0.0, |figures| figures.rate);
    fit.sort_by(|(a, _), (b, _)| rate(b).total_cmp(&rate(a)));
    let rates: Vec<Vec<f64>> = fit.iter().map(|(_, rates)| rates.clone()).collect();
    let mut places = stats::ranks(&rates);
    // More may be known of a steady row than of one above it that varies. That is no reason to put
    // the upper one behind.
    for upper in (1..places.len()).rev() {
        places[upper - 1] = places[upper - 1].min(places[upper]);
    }
    for ((row, _), place) in fit.iter_mut().zip(&places) {
        let shared = places.iter().filter(|other| *other == place).count() > 1;
        row.rank = Some(Rank { place: *place, shared });
    }
    if let Some(((_, first), others)) = fit.split_first_mut() {
        for (row, rates) in others {
            row.against_first = stats::compare(rates, first);
        }
    }
    fit.into_iter().chain(unfit).map(|(row, _)| row).collect()
}

/// The name that a report shows.
fn display(run: &Run, server: &str, variant: &str) -> String {
    let server = run.servers.iter().find(|s| s.name == server).map_or(server, |s| &s.display);
    format!("{server} / {variant}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, Builder};

    /// Six rounds of one cell, changed by `change`, and the row that comes of them.
    pub fn row_of(change: impl Fn(&mut Measurement)) -> Row {
        let mut builder = Builder::new(6).cell("axum", "serde_json", 400, 100_000.0);
        builder.change_all(change);
        let summary = summarise(&builder.run, &builder.samples);
        summary.levels[0].rows[0].clone()
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
    fn no_row_ranks_behind_one_with_a_lower_rate() {
        let round = std::cell::Cell::new(0);
        let builder = Builder::new(6)
            .cell("axum", "serde_json", 400, 150_000.0)
            .cell("hyper", "serde_json", 400, 110_000.0)
            .cell("actix-web", "serde_json", 400, 108_000.0)
            // So unsteady that it cannot be told from axum, as hyper can.
            .change(|m| {
                m.driver.window_s *= [1.0, 0.4, 2.0, 1.0, 0.5, 1.9][round.get()];
                round.set(round.get() + 1);
            });
        let summary = summarise(&builder.run, &builder.samples);
        let rows = summary.levels[0].rows.iter();
        let ranks: Vec<_> =
            rows.map(|row| (row.cell.server.as_str(), row.rank.expect("ranked").place)).collect();
        assert_eq!(ranks, [("axum", 1), ("hyper", 1), ("actix-web", 1)]);
    }

    #[test]
    fn a_row_that_one_round_is_left_of_is_not_ranked() {
        let builder = Builder::new(6).cell("axum", "serde_json", 400, 100_000.0).cell(
            "hyper",
            "serde_json",
            400,
            150_000.0,
        );
        let mut samples = builder.samples;
        samples.retain(|sample| sample.step.cell.server != "hyper" || sample.step.round == 3);
        let summary = summarise(&builder.run, &samples);
        let rows = &summary.levels[0].rows;
        assert_eq!(
            (rows[0].cell.server.as_str(), rows[0].rank.map(|r| r.place)),
            ("axum", Some(1))
        );
        assert_eq!((rows[1].cell.server.as_str(), rows[1].rank), ("hyper", None));
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
