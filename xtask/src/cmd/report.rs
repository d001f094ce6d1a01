//! `cargo xtask report`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::workspace::Workspace;
use crate::report;
use crate::results::store;

/// Make the reports of a run again, from its results folder alone
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The results folder [default: the newest run in results/]
    dir: Option<PathBuf>,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let dir = match args.dir {
        Some(dir) => dir,
        None => store::newest(&Workspace::find(None)?.root.join("results"))?,
    };
    let (paths, summary) = report::write_all(&dir)?;
    println!("{}", report::terminal::render(&summary));
    for path in paths {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
