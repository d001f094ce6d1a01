//! One file per format; each reads only the results folder, so any of them can be made again.

use std::path::{Path, PathBuf};

use crate::store;
use crate::summary;

#[cfg(test)]
pub mod fixture;
pub mod markdown;
pub mod seed;
mod table;
pub mod terminal;
pub mod wrk;

/// Makes every report of a results folder, over those that are there, and returns their paths.
pub fn write_all(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let contents = store::read(dir)?;
    let summary = summary::summarise(&contents.run, &contents.samples);
    let reports = [
        ("report.md", markdown::render(&contents, &summary)?),
        ("wrk.txt", wrk::render(&contents.run, &summary)),
    ];
    let mut written = Vec::new();
    for (name, text) in reports {
        let path = dir.join(name);
        store::write_atomically(&path, text.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

/// A whole number with its thousands separated: `132,937`.
fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number <= -0.5 {
        text.insert(0, '-');
    }
    text
}

/// `1 thread`, `2 threads`.
pub fn plural(count: impl Into<f64>, noun: &str) -> String {
    let count = count.into();
    let ending = if count == 1.0 { "" } else { "s" };
    format!("{} {noun}{ending}", thousands(count))
}

/// An argument vector as a shell takes it.
pub fn shell(arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let quoted = |argument: &String| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// CPU numbers with their runs drawn together: `0-1, 4`.
fn cpus(numbers: &[usize]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            _ => run[0].to_string(),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.5, "1,000"),
            (132_936.53, "132,937"),
            (1_000_000.0, "1,000,000"),
            (-1234.0, "-1,234"),
            (-0.2, "0"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn commands_can_be_pasted() {
        let command = ["cargo", "--out", "my dir", "it's", ""].map(str::to_owned);
        assert_eq!(shell(&command), r"cargo --out 'my dir' 'it'\''s' ''");
    }

    #[test]
    fn cpu_runs_are_drawn_together() {
        assert_eq!(cpus(&[3, 0, 1, 2, 6]), "0-3, 6");
        assert_eq!(cpus(&[]), "");
        assert_eq!(cpus(&[usize::MAX - 1, usize::MAX]).split('-').count(), 2);
    }

    #[test]
    fn all_reports_are_made_from_the_folder_alone() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let dir = temp.path().join("run");
        let mut writer = store::Writer::create(&dir, &fixture::run()).expect("created");
        for sample in fixture::samples() {
            writer.append(&sample).expect("appended");
        }
        let first = write_all(&dir).expect("written");
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("readable");
        let texts: Vec<String> = first.iter().map(read).collect();
        let again: Vec<String> = write_all(&dir).expect("again").iter().map(read).collect();
        assert_eq!(texts, again);
    }
}
