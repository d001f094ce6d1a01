//! The conformance of several variants side by side: a row per case, a column per variant, and
//! below it what was seen where a case does not hold. Made from recorded results alone.

use std::iter;
use std::ops::Range;

use comfy_table::{ContentArrangement, LineStyle, Table, presets};

use super::{CaseResult, Level};

/// Columns that the printed table keeps to where nobody says how many there are.
const WIDTH: usize = 120;

/// What one case came to for one variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Holds,
    Misses,
    DeclaredMiss,
    /// Declared as missed, and it holds.
    Stale,
    /// Not checked.
    Unknown,
}

impl Mark {
    const ALL: [Self; 5] =
        [Self::Holds, Self::Misses, Self::DeclaredMiss, Self::Stale, Self::Unknown];

    fn of(result: Option<&CaseResult>) -> Self {
        match result.map(|result| (&result.miss, &result.declared)) {
            None => Self::Unknown,
            Some((None, None)) => Self::Holds,
            Some((None, Some(_))) => Self::Stale,
            Some((Some(_), None)) => Self::Misses,
            Some((Some(_), Some(_))) => Self::DeclaredMiss,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Holds => "✓",
            Self::Misses => "✗",
            Self::DeclaredMiss => "(✗)",
            Self::Stale => "(✓)",
            Self::Unknown => "–",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Misses => "misses",
            Self::DeclaredMiss => "misses, as its manifest declares",
            Self::Stale => "holds, though its manifest declares a miss",
            Self::Unknown => "not checked",
        }
    }
}

/// Results by variant, with the labels that name the variants: `server/variant`.
type Results = [(String, Vec<CaseResult>)];

struct Row<'a> {
    case: &'a str,
    level: Level,
    /// One for each variant.
    marks: Vec<Mark>,
}

/// Required cases first, each level in the order in which the cases are met.
fn rows(results: &Results) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for result in results.iter().flat_map(|(_, results)| results) {
        if rows.iter().all(|row| row.case != result.case) {
            let marks = results
                .iter()
                .map(|(_, results)| Mark::of(results.iter().find(|r| r.case == result.case)))
                .collect();
            rows.push(Row { case: &result.case, level: result.level, marks });
        }
    }
    rows.sort_by_key(|row| row.level == Level::Scored);
    rows
}

/// How many of its cases a variant does, e.g. `26/28`.
fn score(results: &[CaseResult]) -> String {
    if results.is_empty() {
        return Mark::Unknown.sign().to_owned();
    }
    let held = results.iter().filter(|result| result.miss.is_none());
    format!("{}/{}", held.count(), results.len())
}

/// One thing that was seen, and where.
struct Note<'a> {
    case: &'a str,
    mark: Mark,
    seen: Option<&'a str>,
    declared: Option<&'a str>,
    variants: Vec<&'a str>,
}

/// What is behind every mark that is no plain ✓; variants that show the same share a note.
fn notes<'a>(results: &'a Results, rows: &[Row<'a>]) -> Vec<Note<'a>> {
    let mut notes: Vec<Note<'a>> = Vec::new();
    for row in rows {
        for (label, results) in results {
            let Some(result) = results.iter().find(|result| result.case == row.case) else {
                continue;
            };
            let (seen, declared) = (result.miss.as_deref(), result.declared.as_deref());
            if seen.is_none() && declared.is_none() {
                continue;
            }
            let known = notes
                .iter_mut()
                .find(|note| (note.case, note.seen, note.declared) == (row.case, seen, declared));
            match known {
                Some(note) => note.variants.push(label),
                None => notes.push(Note {
                    case: row.case,
                    mark: Mark::of(Some(result)),
                    seen,
                    declared,
                    variants: vec![label],
                }),
            }
        }
    }
    notes
}

/// The marks that occur, and what they mean.
fn legend(rows: &[Row<'_>]) -> Vec<String> {
    let used = |mark: &Mark| rows.iter().any(|row| row.marks.contains(mark));
    Mark::ALL
        .into_iter()
        .filter(used)
        .map(|mark| format!("{} {}", mark.sign(), mark.meaning()))
        .collect()
}

/// The columns of the terminal, or 120.
pub fn width() -> usize {
    Table::new().width().map_or(WIDTH, usize::from)
}

/// For `width` columns: as many variants beside one another as fit, the others below.
pub fn text(results: &Results, width: usize) -> String {
    let rows = rows(results);
    let mut text = String::new();
    let mut rest = 0..results.len();
    while !rest.is_empty() {
        // At least one, however long its label is.
        let mut end = rest.start + 1;
        while end < rest.end && fits(&printed(results, &rows, rest.start..end + 1), width) {
            end += 1;
        }
        text += &printed(results, &rows, rest.start..end);
        text += "\n\n";
        rest.start = end;
    }
    for line in legend(&rows) {
        text += &format!("{line}\n");
    }
    text += "* required: without it a server is not measured\n";
    for note in notes(results, &rows) {
        let (sign, case, variants) = (note.mark.sign(), note.case, note.variants.join(", "));
        text += &format!("\n{sign} {case}: {variants}\n");
        if let Some(seen) = note.seen {
            text += &format!("    seen: {seen}\n");
        }
        if let Some(reason) = note.declared {
            text += &format!("    declared: {reason}\n");
        }
    }
    text
}

fn fits(table: &str, width: usize) -> bool {
    table.lines().all(|line| line.chars().count() <= width)
}

fn printed(results: &Results, rows: &[Row<'_>], columns: Range<usize>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.style_mut().header_separator = LineStyle::none().fill('─').junction('─');
    let labels = results[columns.clone()].iter().map(|(label, _)| label.replace('/', "\n"));
    table.set_header(iter::once("case".to_owned()).chain(labels));
    for row in rows {
        let signs = row.marks[columns.clone()].iter().map(|mark| mark.sign());
        let required = if row.level == Level::Required { " *" } else { "" };
        let case = format!("{}{required}", row.case);
        table.add_row(iter::once(case).chain(signs.map(str::to_owned)));
    }
    let scores = results[columns].iter().map(|(_, results)| score(results));
    table.add_row(iter::once("held".to_owned()).chain(scores));
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// For a report.
pub fn markdown(results: &Results) -> String {
    let rows = rows(results);
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let labels = results.iter().map(|(label, _)| escaped(label).replace('/', "<br>"));
    let mut text = line(iter::once("case".to_owned()).chain(labels).collect());
    text += &format!("|---|{}\n", ":-:|".repeat(results.len()));
    for row in &rows {
        let required = match row.level {
            Level::Required => " (required)",
            Level::Scored => "",
        };
        let case = format!("`{}`{required}", row.case);
        let signs = row.marks.iter().map(|mark| mark.sign().to_owned());
        text += &line(iter::once(case).chain(signs).collect());
    }
    let scores = results.iter().map(|(_, results)| score(results));
    text += &line(iter::once("held".to_owned()).chain(scores).collect());
    text += &format!("\n{}\n", legend(&rows).join("; "));
    for (index, note) in notes(results, &rows).iter().enumerate() {
        let gap = if index == 0 { "\n" } else { "" };
        let (sign, case, variants) = (note.mark.sign(), note.case, note.variants.join(", "));
        text += &format!("{gap}- {sign} `{case}`: {}", escaped(&variants));
        if let Some(seen) = note.seen {
            text += &format!("; seen: {}", escaped(seen));
        }
        if let Some(reason) = note.declared {
            text += &format!("; declared: {}", escaped(reason));
        }
        text.push('\n');
    }
    text
}

/// Text from elsewhere, so that nothing in it ends a table's cell or becomes markup. What was seen
/// keeps its own code quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for (index, part) in text.replace(['\n', '\r'], " ").split('`').enumerate() {
        if index > 0 {
            escaped.push('`');
        }
        let in_code = index % 2 == 1;
        for character in part.chars() {
            if !in_code && "|\\<>*_[]".contains(character) {
                escaped.push('\\');
            }
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(case: &str, level: Level, miss: Option<&str>, declared: Option<&str>) -> CaseResult {
        CaseResult {
            case: case.to_owned(),
            level,
            miss: miss.map(str::to_owned),
            declared: declared.map(str::to_owned),
        }
    }

    fn variant(label: &str, extra: Option<&str>) -> (String, Vec<CaseResult>) {
        let results = vec![
            result("date", Level::Scored, extra, None),
            result("echo", Level::Required, None, None),
            result("chunked", Level::Scored, Some("closed"), Some("not done | ever")),
            result("head", Level::Scored, None, Some("was broken")),
        ];
        (label.to_owned(), results)
    }

    fn some() -> Vec<(String, Vec<CaseResult>)> {
        vec![
            variant("axum/serde_json", None),
            variant("axum/simd-json", Some("Date `a|b` is no IMF-fixdate")),
            ("broken/only".to_owned(), vec![]),
        ]
    }

    #[test]
    fn marks_and_what_is_behind_them_are_printed() {
        insta::assert_snapshot!(text(&some(), WIDTH));
    }

    #[test]
    fn the_same_is_written_as_markdown() {
        insta::assert_snapshot!(markdown(&some()));
    }

    #[test]
    fn many_variants_stay_within_the_terminal() {
        let many: Vec<_> =
            (10..40).map(|index| variant(&format!("server-{index}/serde_json"), None)).collect();
        let text = text(&many, WIDTH);
        let table = text.split("✓ holds").next().expect("a legend");
        for line in table.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        for (label, _) in &many {
            let server = label.split('/').next().expect("a label");
            assert!(table.contains(server), "{label} is missing");
        }
    }

    #[test]
    fn nothing_is_still_a_table() {
        assert!(text(&[], WIDTH).contains("required"));
        assert!(markdown(&[]).starts_with("| case |"));
    }
}
