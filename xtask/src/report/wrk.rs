//! `wrk.txt`: one block per cell in wrk's layout, for scripts and eyes that know wrk.

use std::fmt::Write as _;

use driver::output::text;

use super::load;
use crate::results::record::Run;
use crate::results::summary::Summary;
use crate::text::plural;

pub fn render(run: &Run, summary: &Summary) -> String {
    let mut out = format!(
        "# httpdyno {}\n\
         # All rounds of a cell as one run: counts and histograms added, rates over the summed \
         windows.\n\
         # `Req/Sec` is per driver thread, as in wrk. Ranks, intervals and marks are in report.md.\n",
        run.id
    );
    for level in &summary.levels {
        for row in &level.rows {
            let cell = &row.cell;
            let title =
                format!("{}/{}, {}, {}", cell.server, cell.variant, cell.scenario, load(level));
            let block = match &row.figures {
                Some(figures) => format!(
                    "## {title}, {} of {} s\n{}",
                    plural(row.measured as f64, "round"),
                    run.options.duration_s,
                    text::wrk(&figures.merged)
                ),
                None => format!("## {title}: not measured, see report.md\n"),
            };
            write!(out, "\n{block}").expect("writing to a String does not fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::report::fixture;
    use crate::results::summary::summarise;

    #[test]
    fn a_whole_file() {
        let run = fixture::run();
        let text = super::render(&run, &summarise(&run, &fixture::samples()));
        insta::assert_snapshot!(text);
    }
}
