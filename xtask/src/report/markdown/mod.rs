//! `report.md`: the tables, what they may be trusted for, and how to make them again.

mod failures;
mod host;
mod legend;
mod level;
mod servers;

use super::seed;
use super::table::escape;
use crate::results::store::Contents;
use crate::results::summary::Summary;
use crate::text::{cpus, plural, shell, thousands};

const HOW_TO_READ: &str = "\
Each row is one server with one JSON codec. Requests/s is the median over the rounds, each with a \
freshly started server; every answer was checked against its own request, and only correct ones \
count. A row's rank is one more than the number of rows that are faster beyond doubt (paired by \
round, t-test, p < 0.05 after Holm's correction for all pairs, and by more than 1 %): the order \
within a rank (`2=`) means nothing, and neighbouring ranks need not differ from one another. No \
row ranks behind one with a lower rate. \
Latency is of a closed loop: each connection sends its next request as soon as it has its answer, so \
a latency is that of a server at its own full load and grows with the connections; it is not what a \
lightly loaded server would show. A row with a mark is not to be taken at face value: the marks are \
explained below the tables.
";

/// Between two samples of one sitting there is never as much.
const LONG_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

pub fn render(contents: &Contents, summary: &Summary) -> serde_json::Result<String> {
    let run = &contents.run;
    let options = &run.options;
    let mut out = format!("# httpdyno {}\n\n", escape(&run.id));
    out += &warnings(contents, summary);
    out += &format!(
        "Measured on {} with\n\n    {}\n\n",
        run.created_at.strftime("%Y-%m-%d %H:%M UTC"),
        shell(&run.command).replace(char::is_control, " "),
    );
    out += &format!(
        "Suite `{}`: {} of {} s after {} s of warm-up, cells in random order (seed {}), timeout {} s. \
         Servers on CPU {}, driver on CPU {}.\n\n",
        escape(&options.suite),
        plural(options.rounds, "round"),
        options.duration_s,
        options.warmup_s,
        options.seed,
        options.timeout_s,
        cpus(&run.placement.server),
        cpus(&run.placement.driver),
    );
    out += &format!("## Results\n\n{HOW_TO_READ}");
    for level in &summary.levels {
        out += &level::section(level);
    }
    out += &legend::section(summary);
    out += &failures::section(&summary.failures);
    out += &servers::conformance(run);
    out += &servers::servers(run);
    out += &format!("\n## Host\n\n{}", host::section(&serde_json::to_value(&run.host)?));
    let seed = seed::load()?;
    if summary.levels.iter().any(|level| level.scenario == seed.scenario) {
        out += &format!("\n## Figures published elsewhere\n\n{}", seed::render(&seed));
    }
    Ok(out)
}

/// What a reader must know before looking at a figure.
fn warnings(contents: &Contents, summary: &Summary) -> String {
    let mut warnings: Vec<String> = contents.run.placement.warnings.clone();
    if summary.missing > 0 {
        warnings.push(format!(
            "The run is not complete: {} of {} missing. Go on with `cargo xtask bench --resume` and \
             this folder.",
            thousands(summary.missing as f64),
            plural(contents.run.plan.len() as f64, "sample"),
        ));
    }
    if contents.unfinished > 0 {
        warnings.push(
            "The last line of samples.jsonl is unfinished, as when a run is killed; it was left out."
                .into(),
        );
    }
    if summary.unplanned > 0 {
        warnings.push(format!(
            "{} in samples.jsonl belong to no step of the plan in run.json; left out.",
            plural(summary.unplanned as f64, "sample")
        ));
    }
    let mut moments: Vec<_> = contents.samples.iter().map(|sample| sample.started_at).collect();
    moments.sort();
    let pauses = moments.windows(2).filter(|pair| pair[1].duration_since(pair[0]) > LONG_PAUSE);
    let pauses = pauses.count();
    if pauses > 0 {
        warnings.push(format!(
            "Taken in {} with more than an hour between them; a host can change meanwhile.",
            plural(pauses as f64 + 1.0, "sitting")
        ));
    }
    if !summary.failures.is_empty() {
        warnings.push("Not everything could be measured; see Failures.".into());
    }
    if contents.run.options.rounds < 6 {
        warnings.push(format!(
            "{} only: too few for a 95 % interval, which takes six.{}",
            plural(contents.run.options.rounds, "round"),
            if contents.run.options.rounds < 2 {
                " Nothing can be told apart from noise, so every row has the same rank."
            } else {
                ""
            }
        ));
    }
    if warnings.is_empty() {
        return String::new();
    }
    let lines: Vec<String> =
        warnings.iter().map(|warning| format!("> - {}\n", escape(warning))).collect();
    format!("> [!WARNING]\n{}\n", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::results::summary::summarise;

    fn report(change: impl Fn(&mut Contents)) -> String {
        let mut contents =
            Contents { run: fixture::run(), samples: fixture::samples(), unfinished: 0 };
        change(&mut contents);
        let summary = summarise(&contents.run, &contents.samples);
        render(&contents, &summary).expect("a host is JSON")
    }

    #[test]
    fn a_whole_report() {
        let report = report(|_| {});
        let (start, rest) = report.split_once("## Host\n").expect("the host");
        let (_, end) = rest.split_once("\n## ").expect("what follows the host");
        insta::assert_snapshot!(format!("{start}[…]\n## {end}"));
    }

    #[test]
    fn what_makes_a_run_untrustworthy_comes_first() {
        let report = report(|contents| {
            contents.samples.truncate(3);
            contents.unfinished = 17;
            contents.run.options.rounds = 1;
            contents.run.placement.warnings = vec!["Server and driver share one CPU.".into()];
        });
        let (top, _) = report.split_once("## Results").expect("the results");
        for part in ["share one CPU", "51 of 54 samples missing", "unfinished", "same rank"] {
            assert!(top.contains(part), "{part:?} not in {top}");
        }
    }

    #[test]
    fn every_line_of_a_table_has_the_columns_of_its_head() {
        let report = report(|contents| {
            for server in &mut contents.run.servers {
                server.display = "a|b\n| c".into();
            }
        });
        let columns = |line: &str| line.replace(r"\|", "").matches('|').count();
        let mut lines = report.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(next) = lines.peek().filter(|next| next.starts_with('|'))
                && line.starts_with('|')
            {
                assert_eq!(columns(line), columns(next), "{line}\n{next}");
            }
        }
    }
}
