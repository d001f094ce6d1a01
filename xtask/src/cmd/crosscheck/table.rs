//! What all rounds of one level came to: a row for each generator, and what is to be said of those
//! that did not do what was asked.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use driver::output::text;

use super::run::{Figures, Outcome};
use crate::results::stats;
use crate::text::{plural, thousands};

/// All runs of one generator at one level, in the order of the rounds.
pub struct Row {
    pub name: &'static str,
    pub outcomes: Vec<Outcome>,
}

/// `driver` first, then the `others`, each with the driver's figures ÷ its own of the same round.
pub fn table(driver: &Row, others: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "generator",
        "req/s",
        "req/CPU-s",
        "driver ÷ it, req/s",
        "driver ÷ it, req/CPU-s",
        "Little",
        "errors",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.add_row(driver.cells(["", ""].map(str::to_owned)));
    for other in others {
        let ratios = [rate, per_cpu_second].map(|of| ratio(driver, other, of));
        table.add_row(other.cells(ratios));
    }
    let mut text = format!("{table}\n");
    for row in [driver].into_iter().chain(others) {
        row.remarks(&mut text).expect("writing to a String does not fail");
    }
    text
}

fn rate(figures: &Figures) -> f64 {
    figures.rate
}

fn per_cpu_second(figures: &Figures) -> f64 {
    figures.per_cpu_second
}

impl Row {
    /// Of the rounds in which it was measured.
    fn figures(&self) -> impl Iterator<Item = &Figures> {
        self.outcomes.iter().filter_map(Outcome::figures)
    }

    fn cells(&self, ratios: [String; 2]) -> [String; 7] {
        let median = |of: fn(&Figures) -> f64| {
            let values: Vec<f64> = self.figures().map(of).collect();
            stats::median(&values).map_or("-".into(), text::count)
        };
        let worst = self
            .figures()
            .filter_map(|figures| figures.residual)
            .max_by(|a, b| a.abs().total_cmp(&b.abs()));
        let [by_rate, by_cpu] = ratios;
        [
            self.name.to_owned(),
            median(rate),
            median(per_cpu_second),
            by_rate,
            by_cpu,
            worst.map_or("-".into(), |residual| format!("{:+.1} %", residual * 100.0)),
            self.errors().map_or("-".into(), |errors| thousands(errors as f64)),
        ]
    }

    /// `None` when none of its runs said how many.
    fn errors(&self) -> Option<u64> {
        let errors = self.outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Measured(Figures { errors, .. }) | Outcome::Nothing { errors } => {
                Some(*errors)
            }
            Outcome::Failed(_) => None,
        });
        errors.reduce(u64::saturating_add)
    }

    /// Whether each of its runs was measured and without an error.
    pub fn is_clean(&self) -> bool {
        self.figures().count() == self.outcomes.len() && self.errors() == Some(0)
    }

    fn remarks(&self, out: &mut String) -> std::fmt::Result {
        let rounds = plural(self.outcomes.len() as u32, "round");
        let nothing = self.outcomes.iter().filter(|one| matches!(one, Outcome::Nothing { .. }));
        match nothing.count() {
            0 => {}
            count => writeln!(out, "{}: completed nothing in {count} of {rounds}", self.name)?,
        }
        let mut failures = self.outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Failed(why) => Some(why),
            _ => None,
        });
        if let Some(first) = failures.next() {
            let count = 1 + failures.count();
            let first = first.replace('\n', "\n    ");
            writeln!(out, "{}: failed in {count} of {rounds}: {first}", self.name)?;
        }
        Ok(())
    }
}

impl Outcome {
    fn figures(&self) -> Option<&Figures> {
        match self {
            Outcome::Measured(figures) => Some(figures),
            _ => None,
        }
    }
}

/// The median of the rounds' ratios, and its interval where there are rounds enough. Both ran in the
/// same round, so what the round suffered cancels out.
fn ratio(driver: &Row, other: &Row, of: fn(&Figures) -> f64) -> String {
    let rounds = driver.outcomes.iter().zip(&other.outcomes);
    let ratios: Vec<f64> = rounds
        .filter_map(|(driver, other)| Some(of(driver.figures()?) / of(other.figures()?)))
        .collect();
    let Some(median) = stats::median(&ratios) else {
        return "-".into();
    };
    match stats::median_interval(&ratios, stats::CONFIDENCE) {
        Some(interval) => {
            let [median, low, high] = [median, interval.low, interval.high].map(times);
            format!("{median} ({low} to {high})")
        }
        None => times(median),
    }
}

/// A ratio; the decimals of a large one say nothing.
fn times(ratio: f64) -> String {
    if ratio < 100.0 { format!("{ratio:.3}") } else { thousands(ratio) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rate: f64, residual: Option<f64>) -> Outcome {
        Outcome::Measured(Figures { rate, per_cpu_second: rate * 2.0, residual, errors: 0 })
    }

    fn row(name: &'static str, outcomes: impl IntoIterator<Item = Outcome>) -> Row {
        Row { name, outcomes: outcomes.into_iter().collect() }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The medians' ratio would be 1.
        let driver = row("driver", [100.0, 300.0, 200.0].map(|rate| measured(rate, None)));
        let other = row("other", [50.0, 200.0, 400.0].map(|rate| measured(rate, None)));
        assert_eq!(ratio(&driver, &other, rate), "1.500");
    }

    #[test]
    fn an_interval_takes_six_rounds() {
        let rows = |rounds: u32| {
            let driver = (1..=rounds).map(|round| measured(f64::from(round), None));
            let other = (1..=rounds).map(|_| measured(1.0, None));
            (row("driver", driver), row("other", other))
        };
        let (driver, other) = rows(5);
        assert_eq!(ratio(&driver, &other, rate), "3.000");
        let (driver, other) = rows(6);
        assert_eq!(ratio(&driver, &other, rate), "3.500 (1.000 to 6.000)");
    }

    #[test]
    fn a_round_without_a_partner_is_left_out() {
        let driver = row("driver", [100.0, 900.0].map(|rate| measured(rate, None)));
        let other = row("other", [measured(50.0, None), Outcome::Failed("x".into())]);
        assert_eq!(ratio(&driver, &other, rate), "2.000");
        let nothing = row("nothing", vec![Outcome::Nothing { errors: 1 }; 2]);
        assert_eq!(ratio(&driver, &nothing, rate), "-");
    }

    #[test]
    fn large_ratios_have_no_decimals() {
        let (driver, other) =
            (row("driver", [measured(1e6, None)]), row("other", [measured(1.3, None)]));
        assert_eq!(ratio(&driver, &other, rate), "769,231");
    }

    #[test]
    fn only_a_run_that_was_measured_without_errors_is_clean() {
        let good = || measured(1.0, None);
        assert!(row("a", [good(), good()]).is_clean());
        assert!(!row("a", [good(), Outcome::Nothing { errors: 0 }]).is_clean());
        assert!(!row("a", [good(), Outcome::Failed("x".into())]).is_clean());
        let figures = Figures { rate: 1.0, per_cpu_second: 1.0, residual: None, errors: 1 };
        assert!(!row("a", [good(), Outcome::Measured(figures)]).is_clean());
    }

    #[test]
    fn every_generator_has_its_row_whatever_became_of_it() {
        let rates = [0.01, -0.5, 0.2];
        let rows = [
            row("even", rates.map(|residual| measured(100_000.0, Some(residual)))),
            row("mute", vec![Outcome::Nothing { errors: 1234 }; 3]),
            row("odd", [1, 2, 3].map(|n| Outcome::Failed(format!("exit status: {n}\nmore")))),
        ];
        let driver = row("driver", vec![measured(200_000.0, Some(0.001)); 3]);
        insta::assert_snapshot!(table(&driver, &rows));
    }
}
