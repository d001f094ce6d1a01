//! `report.md`: the tables, what they may be trusted for, and how to make them again.

use std::collections::BTreeSet;

use driver::text;
use serde_json::Value;

use super::table::Align::{Left, Right};
use super::table::{Table, escape};
use super::{cpus, plural, seed, shell, thousands};
use crate::config::manifest::Tuning;
use crate::conformance::{CaseResult, table};
use crate::results::record::{Run, Stage};
use crate::results::store::Contents;
use crate::results::summary::{Failure, Figures, Level, Mark, Rank, Row, Summary};

const HOW_TO_READ: &str = "\
Each row is one server with one JSON codec. Requests/s is the median over the rounds, each with a \
freshly started server; every answer was checked against its own request, and only correct ones \
count. Rows share a rank (`2=`) unless one is faster round by round (paired t-test, p < 0.05 after \
Holm's correction for all pairs, and by more than 1 %), so the order within a rank means nothing. \
Latency is of a closed loop: each connection sends its next request as soon as it has its answer, so \
a latency is that of a server at its own full load and grows with the connections; it is not what a \
lightly loaded server would show. A row with a mark is not to be taken at face value: the marks are \
explained below the tables.
";

/// What stands where there is no figure.
const NONE: &str = "–";

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
        out += &level_section(level);
    }
    out += &legend(summary);
    out += &failures(&summary.failures);
    out += &conformance(run);
    out += &servers(run);
    out += &format!("\n## Host\n\n{}", host(&serde_json::to_value(&run.host)?));
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

fn level_section(level: &Level) -> String {
    let mut text = format!(
        "\n### {}: {}, {}\n\n",
        escape(&level.scenario),
        plural(level.connections, "connection"),
        plural(level.threads, "server thread")
    );
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
        let mut cells = vec![rank(row.rank), row.name.clone()];
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
    let errors = figures.merged.errors.total().saturating_add(figures.merged.errors_before.total());
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

/// `1`, or `2=` when it is shared.
fn rank(rank: Option<Rank>) -> String {
    rank.map_or(NONE.to_owned(), |rank| {
        format!("{}{}", rank.place, if rank.shared { "=" } else { "" })
    })
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
        format!("{:.0} %", 100.0 * merged.checks.busiest_thread),
        format!("{:+.2} %", 100.0 * merged.checks.littles_residual),
    ]
}

/// The columns and marks that occur.
fn legend(summary: &Summary) -> String {
    let mut text = String::from(
        "\n### Columns\n\n\
         - Mean to 99.9 %: latency, from the merged histograms of all rounds (us = µs).\n\
         - 95 % interval: of the median, from order statistics. Rate ÷ first row's: geometric mean \
         of the rounds' ratios with its 95 % interval.\n\
         - Connections: open in the worst round. Processes: server processes that shared them, on \
         the same CPUs; more than one only when the descriptor limit forces it.\n\
         - Server CPU/request, cores, peak RSS: of all processes of the server inside the measured \
         window, by the operating system's count; RSS/connection is peak RSS ÷ connections, the \
         program itself included.\n\
         - Driver CPU: the busiest driver thread in its busiest round, of one core. Little's law: \
         throughput × mean latency ÷ connections − 1 in the worst round.\n",
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

fn failures(failures: &[Failure]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n## Failures\n");
    for failure in failures {
        let stage = match failure.problem.stage {
            Stage::Requirements => "missing program",
            Stage::Build => "build",
            Stage::Start => "start",
            Stage::Verify => "conformance check",
            Stage::Measure => "measurement",
        };
        let load = failure.connections.map_or(String::new(), |connections| {
            format!(", {}", plural(connections, "connection"))
        });
        let when = match failure.rounds.as_slice() {
            [] => "not measured".to_owned(),
            [round] => format!("round {round}"),
            rounds => {
                let rounds: Vec<String> = rounds.iter().map(u32::to_string).collect();
                format!("rounds {}", rounds.join(", "))
            }
        };
        text += &format!(
            "\n- **{}**{load} ({when}, {stage}): {}\n",
            escape(&failure.of),
            escape(&failure.problem.message)
        );
        if !failure.problem.stderr_tail.is_empty() {
            text += "\n  The end of its standard error:\n\n";
            for line in failure.problem.stderr_tail.lines() {
                // Six spaces: a code block inside the list item, which nothing in the line can end.
                text += &format!("      {}\n", line.replace(char::is_control, " "));
            }
        }
    }
    text
}

fn conformance(run: &Run) -> String {
    let results: Vec<(String, Vec<CaseResult>)> = run
        .servers
        .iter()
        .flat_map(|server| server.variants.iter().map(move |variant| (server, variant)))
        .filter(|(_, variant)| !variant.conformance.is_empty())
        .map(|(server, variant)| {
            let label = format!("{}/{}", server.name, variant.name);
            (label, variant.conformance.clone())
        })
        .collect();
    if results.is_empty() {
        return String::new();
    }
    format!(
        "\n## Conformance\n\n\
         What each server does of the contract, checked before it was measured. Required cases come \
         first; without them a server is not measured.\n\n{}",
        table::markdown(&results)
    )
}

fn servers(run: &Run) -> String {
    let mut table = Table::new([
        ("Server", Left),
        ("Language", Left),
        ("Framework", Left),
        ("Version", Left),
        ("Variants", Left),
        ("Threads besides", Left),
    ]);
    let mut tuning = Table::new([
        ("Server", Left),
        ("Setting", Left),
        ("The framework's default", Left),
        ("Here", Left),
        ("Why", Left),
    ]);
    for server in &run.servers {
        let variants: Vec<&str> = server.variants.iter().map(|v| v.name.as_str()).collect();
        let version = match server.version.as_str() {
            "" => "unknown",
            version => version,
        };
        table.row([
            server.display.clone(),
            server.language.clone(),
            server.framework.clone(),
            version.to_owned(),
            variants.join(", "),
            server.other_threads.clone(),
        ]);
        for Tuning { setting, default, value, why } in &server.tuning {
            let name = server.display.clone();
            tuning.row([name, setting.clone(), default.clone(), value.clone(), why.clone()]);
        }
    }
    format!(
        "\n## Servers\n\n{}\nWhat is not the framework's default:\n\n{}",
        table.render(),
        tuning.render()
    )
}

/// A fingerprint as a list, whatever is in it.
fn host(host: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", host, &mut lines);
    if lines.is_empty() {
        return "Nothing is known of it.\n".into();
    }
    let mut table = Table::new([("What", Left), ("Value", Left)]);
    for (name, value) in lines {
        table.row([name, value]);
    }
    table.render()
}

fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let text = match value {
        Value::Null => "unknown".to_owned(),
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = match name {
                    "" => key.clone(),
                    _ => format!("{name}.{key}"),
                };
                flatten(&name, value, lines);
            }
            return;
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    lines.push((name.to_owned(), text));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn a_host_is_listed_whatever_it_tells() {
        let text = host(&json!({"cpu": {"model": "X", "cores": [[0, 1]]}, "governor": null}));
        for part in ["| cpu.model | X ", "| cpu.cores | [[0,1]]", "| governor  | unknown"] {
            assert!(text.contains(part), "{part:?} not in {text}");
        }
        assert_eq!(host(&json!({})), "Nothing is known of it.\n");
    }
}
