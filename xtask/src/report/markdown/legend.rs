//! What the columns and the marks of the tables mean.

use std::collections::BTreeSet;

use crate::results::summary::{Mark, Summary};

/// The columns and marks that occur.
pub fn section(summary: &Summary) -> String {
    let mut text = String::from(
        "\n### Columns\n\n\
         - Mean to 99.9 %: latency, from the merged histograms of all rounds (us = µs).\n\
         - 95 % interval: of the median, from order statistics. Rate ÷ first row's: geometric mean \
         of the rounds' ratios with its 95 % interval.\n\
         - Connections: open in the worst round. Processes: server processes that shared them, on \
         the same CPUs; more than one only when the descriptor limit or the ports of one address \
         force it.\n\
         - Server CPU/request, cores, peak RSS: of all processes of the server inside the measured \
         window, by the operating system's count; RSS/connection is peak RSS ÷ connections, the \
         program itself included.\n\
         - Driver CPU: of what the driver could use, by its busiest thread or by all on their CPUs, \
         in its busiest round. Little's law: \
         throughput × mean latency ÷ connections − 1 in the worst round, a request that crosses an \
         edge of the window counted for its part inside.\n",
    );
    let marks: BTreeSet<Mark> = summary
        .levels
        .iter()
        .flat_map(|level| &level.rows)
        .flat_map(|row| row.marks.iter().copied())
        .collect();
    if !marks.is_empty() {
        text += "\n### Marks\n\n";
    }
    for mark in marks {
        text += &format!("- **{}**: {}\n", mark.text(), mark.explanation());
    }
    text
}
