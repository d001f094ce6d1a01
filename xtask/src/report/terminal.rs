//! The tables in short, for the terminal at the end of a run: what ranks the rows and what they
//! cost, in 80 columns as far as it goes. The whole is in `report.md`.

use comfy_table::{CellAlignment, Table, presets};
use driver::output::text::{bytes, latency};

use super::load;
use crate::results::summary::{Figures, Level, Row, Summary};
use crate::text::thousands;

pub fn render(summary: &Summary) -> String {
    summary.levels.iter().map(level).collect()
}

fn level(level: &Level) -> String {
    let title = format!("\n{}, {}\n", level.scenario, load(level));
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["rank", "variant", "req/s", "±", "50 %", "99 %", "CPU\nµs/req", "RSS", ""]);
    for index in (0..table.column_count()).filter(|index| ![1, 8].contains(index)) {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in &level.rows {
        table.add_row(cells(row));
    }
    title + &table.trim_fmt() + "\n"
}

fn cells(row: &Row) -> Vec<String> {
    let rank = row.rank.map(|rank| rank.to_string());
    let marks: Vec<&str> = row.marks.iter().map(|mark| mark.text()).collect();
    let variant = format!("{}/{}", row.cell.server, row.cell.variant);
    let figures = row.figures.as_ref().map(figures).unwrap_or_default();
    let mut cells = vec![rank.unwrap_or_default(), variant];
    cells.extend(figures);
    cells.push(marks.join(", "));
    cells
}

fn figures(figures: &Figures) -> [String; 6] {
    let merged = &figures.merged;
    let half = figures
        .rate_interval
        .filter(|_| figures.rate > 0.0)
        .map(|interval| format!("{:.1} %", interval.half_width() / figures.rate * 100.0));
    let cpu = figures.server_cpu_us_per_request.map(|cpu| format!("{cpu:.2}"));
    [
        thousands(figures.rate),
        half.unwrap_or_default(),
        latency(merged.latency.percentile(50.0)),
        latency(merged.latency.percentile(99.0)),
        cpu.unwrap_or_default(),
        bytes(figures.server_peak_rss as f64),
    ]
}
