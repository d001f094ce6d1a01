//! A report in the forms in which people and other programs read it, one file for each.

mod csv;
mod hgrm;
mod hlog;
pub mod live;
mod prometheus;
pub mod text;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _, stdout};
use std::path::{Path, PathBuf};

use crate::args::Outputs;
use crate::report::Report;

/// The path that means standard output.
const STDOUT: &str = "-";

/// A result that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{one} and {other} both go to {}: choose another file for one of them", 
        if .path.as_os_str() == STDOUT { "standard output".into() } else { path.display().to_string() })]
    Same { one: &'static str, other: &'static str, path: PathBuf },
}

/// Where a report goes, in which form.
#[derive(Debug)]
pub struct Output(Vec<Destination>);

/// Writes all of a report in one form.
pub type Format = fn(&Report) -> String;

/// The forms for other programs, each with its flag.
pub const FORMATS: [(&str, Format); 5] = [
    ("--json", json),
    ("--hgrm", hgrm::percentiles),
    ("--hlog", hlog::log),
    ("--csv", csv::seconds),
    ("--prometheus", prometheus::metrics),
];

#[derive(Debug)]
struct Destination {
    flag: &'static str,
    format: Format,
    path: PathBuf,
    /// `None` for standard output.
    file: Option<File>,
}

impl Output {
    /// Opens all files, so that what cannot be written is known before anything is measured. What is
    /// in them stays until [`Self::write`].
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn open(outputs: &Outputs) -> Result<Self, OutputError> {
        let stdout = PathBuf::from(STDOUT);
        let paths = [
            outputs.json.then_some(&stdout),
            outputs.hgrm.as_ref(),
            outputs.hlog.as_ref(),
            outputs.csv.as_ref(),
            outputs.prometheus.as_ref(),
        ];
        let mut all: Vec<Destination> = Vec::new();
        for ((flag, format), path) in FORMATS.into_iter().zip(paths) {
            let Some(path) = path else { continue };
            if let Some(same) = all.iter().find(|other| other.path == *path) {
                return Err(OutputError::Same { one: same.flag, other: flag, path: path.clone() });
            }
            let file =
                open(path).map_err(|source| OutputError::Write { path: path.clone(), source })?;
            all.push(Destination { flag, format, path: path.clone(), file });
        }
        if all.iter().all(|destination| destination.file.is_some()) {
            all.push(Destination { flag: "", format: text::wrk, path: stdout, file: None });
        }
        Ok(Self(all))
    }

    /// Writes `report` everywhere, in place of what was there. A file that fails keeps no other from
    /// being written.
    ///
    /// # Errors
    /// The first one.
    pub fn write(self, report: &Report) -> Result<(), OutputError> {
        let results: Vec<_> = self.0.into_iter().map(|to| to.write(report)).collect();
        results.into_iter().collect()
    }
}

impl Destination {
    fn write(self, report: &Report) -> Result<(), OutputError> {
        let text = (self.format)(report);
        let written = match self.file {
            None => stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()),
            Some(file) => replace(file, &text),
        };
        written.map_err(|source| OutputError::Write { path: self.path, source })
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    if path.as_os_str() == STDOUT {
        return Ok(None);
    }
    OpenOptions::new().write(true).create(true).truncate(false).open(path).map(Some)
}

fn replace(mut file: File, text: &str) -> io::Result<()> {
    // A pipe or a device has nothing to cut off.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

fn json(report: &Report) -> String {
    let json = serde_json::to_string(report);
    json.expect("a report has no map with keys that are not strings or numbers") + "\n"
}
