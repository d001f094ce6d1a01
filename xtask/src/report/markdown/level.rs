//! One level: how fast each row was, and what that took.

use driver::output::text;

use crate::report::load;
use crate::report::table::Align::{Left, Right};
use crate::report::table::{Table, escape};
use crate::results::summary::{Figures, Level, Row};
use crate::text::thousands;

/// What stands where there is no figure.
const NONE: &str = "–";

pub fn section(level: &Level) -> String {
    let mut text = format!("\n### {}: {}\n\n", escape(&level.scenario), load(level));
    text += &speed(level);
    let errors: Vec<String> = level.rows.iter().filter_map(errors).collect();
    if !errors.is_empty() {
        text += &format!("\nErrors over all rounds:\n\n{}", errors.concat());
    }
    text += &format!("\nWhat it took, and the checks:\n\n{}", cost(level));
    text
}

fn speed(level: &Level) -> String {
    let mut table = Table::new([
        ("Rank", Left),
        ("Server", Left),
        ("Requests/s", Right),
        ("95 % interval", Right),
        ("Transfer/s", Right),
        ("Mean", Right),
        ("Stdev", Right),
        ("Max", Right),
        ("50 %", Right),
        ("75 %", Right),
        ("90 %", Right),
        ("99 %", Right),
        ("99.9 %", Right),
        ("Errors", Right),
        ("Marks", Left),
    ]);
    for row in &level.rows {
        let mut cells =
            vec![row.rank.map_or(NONE.to_owned(), |rank| rank.to_string()), row.name.clone()];
        match &row.figures {
            Some(figures) => cells.extend(speed_figures(figures)),
            None => cells.extend(std::iter::repeat_n(NONE.to_owned(), 12)),
        }
        let marks: Vec<&str> = row.marks.iter().map(|mark| mark.text()).collect();
        cells.push(marks.join(", "));
        table.row(cells);
    }
    table.render()
}

fn speed_figures(figures: &Figures) -> Vec<String> {
    let latency = &figures.merged.latency;
    let interval = figures.rate_interval.map_or(NONE.to_owned(), |interval| {
        format!("{}–{}", thousands(interval.low), thousands(interval.high))
    });
    let errors = figures.merged.errors_in_all();
    let mut cells = vec![thousands(figures.rate), interval, text::bytes(figures.transfer)];
    if latency.count() > 0 {
        cells.extend([latency.mean(), latency.stdev(), latency.max()].map(text::latency));
        cells.extend([50.0, 75.0, 90.0, 99.0, 99.9].map(|p| text::latency(latency.percentile(p))));
    } else {
        cells.extend(std::iter::repeat_n(NONE.to_owned(), 8));
    }
    cells.push(thousands(errors as f64));
    cells
}

fn errors(row: &Row) -> Option<String> {
    let merged = &row.figures.as_ref()?.merged;
    let inside = merged.errors.list();
    let before = match merged.errors_before.list() {
        list if list.is_empty() => list,
        list => format!("before the window: {list}"),
    };
    let parts: Vec<String> = [inside, before].into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| format!("- {}: {}\n", escape(&row.name), parts.join("; ")))
}

fn cost(level: &Level) -> String {
    let mut table = Table::new([
        ("Server", Left),
        ("Rate ÷ first row's", Right),
        ("Rounds", Right),
        ("Connections", Right),
        ("Processes", Right),
        ("Server CPU/request", Right),
        ("Server cores", Right),
        ("Server peak RSS", Right),
        ("RSS/connection", Right),
        ("Driver CPU", Right),
        ("Little's law", Right),
    ]);
    for row in &level.rows {
        let ratio = row.against_first.map_or(NONE.to_owned(), |against| {
            let interval = against.interval;
            format!("{:.3} ({:.3}–{:.3})", against.ratio, interval.low, interval.high)
        });
        let mut cells = vec![row.name.clone(), ratio, format!("{}/{}", row.measured, row.planned)];
        match &row.figures {
            Some(figures) => cells.extend(cost_figures(row, figures)),
            None => cells.extend(std::iter::repeat_n(NONE.to_owned(), 8)),
        }
        table.row(cells);
    }
    table.render()
}

fn cost_figures(row: &Row, figures: &Figures) -> [String; 8] {
    let merged = &figures.merged;
    let connections = f64::from(row.cell.connections.max(1));
    let rss = figures.server_peak_rss as f64;
    [
        thousands(f64::from(merged.connect.established)),
        figures.instances.to_string(),
        figures.server_cpu_us_per_request.map_or(NONE.to_owned(), |us| format!("{us:.2}us")),
        format!("{:.2}", figures.server_cores),
        text::bytes(rss),
        text::bytes(rss / connections),
        format!("{:.0} %", 100.0 * merged.checks.busy),
        merged
            .checks
            .littles_residual
            .map_or_else(|| "-".into(), |residual| format!("{:+.2} %", 100.0 * residual)),
    ]
}
