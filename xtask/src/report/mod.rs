//! One file per format; each reads only the results folder, so any of them can be made again.

use std::path::{Path, PathBuf};

use crate::results::store;
use crate::results::summary::{self, Level, Summary};
use crate::text::plural;

#[cfg(test)]
pub mod fixture;
pub mod markdown;
pub mod seed;
mod table;
pub mod terminal;
pub mod wrk;

/// Makes every report of a results folder, over those that are there. Returns their paths, and what
/// they were made of.
pub fn write_all(dir: &Path) -> anyhow::Result<(Vec<PathBuf>, Summary)> {
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
    Ok((written, summary))
}

/// `400 connections, 1 server thread`
fn load(level: &Level) -> String {
    let connections = plural(level.connections, "connection");
    format!("{connections}, {}", plural(level.threads, "server thread"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_reports_are_made_from_the_folder_alone() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let dir = temp.path().join("run");
        let mut writer = store::Writer::create(&dir, &fixture::run()).expect("created");
        for sample in fixture::samples() {
            writer.append(&sample).expect("appended");
        }
        let first = write_all(&dir).expect("written").0;
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("readable");
        let texts: Vec<String> = first.iter().map(read).collect();
        let again: Vec<String> = write_all(&dir).expect("again").0.iter().map(read).collect();
        assert_eq!(texts, again);
    }
}
