//! `driver merge`: the reports of several drivers as one.

use std::fs::File;
use std::io::{self, BufReader, Read, stdin};
use std::path::{Path, PathBuf};

use crate::args::Merge;
use crate::report::{JoinError, Report, SCHEMA, Verdict};

/// Reports that cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not what `driver --json` prints: {source}", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error(
        "{} has schema {schema}, and only {SCHEMA} can be added: make it with a driver of this version",
        path.display()
    )]
    Schema { path: PathBuf, schema: u32 },
    #[error("{} cannot be added: {source}", path.display())]
    Join { path: PathBuf, source: JoinError },
    #[error(
        "{} does not hold the window second by second, which --hlog and --csv are made of: run that \
         driver with --intervals",
        path.display()
    )]
    NoIntervals { path: PathBuf },
}

/// All reports as one, in the order in which they were named.
///
/// # Errors
/// [`MergeError`].
pub fn merge(args: &Merge) -> Result<Report, MergeError> {
    let mut all = read(&args.first, args)?;
    for path in &args.others {
        all.join(&read(path, args)?)
            .map_err(|source| MergeError::Join { path: path.clone(), source })?;
    }
    Ok(all)
}

fn read(path: &Path, args: &Merge) -> Result<Report, MergeError> {
    let failed = |source| MergeError::Read { path: path.into(), source };
    let reader: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(failed)?))
    };
    let mut report: Report =
        serde_json::from_reader(reader).map_err(|error| match error.io_error_kind() {
            Some(kind) => failed(kind.into()),
            None => MergeError::Parse { path: path.into(), source: error },
        })?;
    if report.schema != SCHEMA {
        return Err(MergeError::Schema { path: path.into(), schema: report.schema });
    }
    // It may come from a driver that had none.
    let verdict = Verdict::of(&report);
    report.verdict.unite(&verdict);
    if args.outputs.need_intervals() && report.intervals.is_empty() {
        return Err(MergeError::NoIntervals { path: path.into() });
    }
    Ok(report)
}
