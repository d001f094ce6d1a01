//! What `bench` can be told, and what it comes to.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use driver::args::{at_least_one, duration, positive_duration};

use crate::config::suite::Suite;
use crate::config::workspace::Workspace;

/// Build everything, run the matrix, write the tables
///
/// Says first what it will do and for how long. Builds the driver and the servers, checks every
/// variant against the contract, then measures each cell (variant × connections) in a random order,
/// round by round, with a freshly started server each time. Writes run.json, samples.jsonl,
/// report.md and wrk.txt to results/<run-id>/. Exits with 1 when a server or a sample failed.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench                                     the suite `default` of bench.toml
  cargo xtask bench --quick                             everything once, in under two minutes
  cargo xtask bench --servers axum,hyper --connections 400 --rounds 10
  cargo xtask bench --variants serde_json --duration 10s
  cargo xtask bench --dry-run                           the plan and its time, nothing else
  cargo xtask bench --resume results/20261120-234247    go on with a run that was stopped")]
pub struct Args {
    #[command(flatten)]
    pub new: NewRun,
    /// Finish the run in this folder, with the options it was started with
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
}

/// What a new run can be told. A resumed one knows it.
#[derive(clap::Args)]
#[group(id = "new-run", multiple = true, conflicts_with = "resume")]
pub struct NewRun {
    /// Servers to measure (folders under servers/), separated by commas [default: the suite's]
    #[arg(long, value_delimiter = ',', value_name = "SERVERS")]
    servers: Vec<String>,
    /// Variants to measure, as `variant` or `server/variant`, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "VARIANTS")]
    pub variants: Vec<String>,
    /// Connection counts, separated by commas [default: the suite's]
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = at_least_one)]
    connections: Vec<u32>,
    /// Counts of threads that serve requests, separated by commas [default: the suite's]
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = at_least_one)]
    threads: Vec<u32>,
    /// Length of each measured window, e.g. 3s [default: the suite's]
    #[arg(long, value_name = "TIME", value_parser = positive_duration)]
    duration: Option<Duration>,
    /// Load before each measured window [default: the suite's]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    warmup: Option<Duration>,
    /// Samples of each cell; a 95 % interval needs 6 [default: the suite's]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    rounds: Option<u32>,
    /// What the order of the cells is drawn from [default: random, recorded in run.json]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The suite `quick`: everything once
    #[arg(long, conflicts_with = "suite")]
    quick: bool,
    /// A suite of bench.toml
    #[arg(long, value_name = "NAME", default_value = "default")]
    suite: String,
    /// Print the plan and its estimated time, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Folder for the results [default: results/<run-id>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl NewRun {
    /// The suite with what the flags change.
    pub fn suite(&self, workspace: &Workspace) -> anyhow::Result<Suite> {
        let mut suite = workspace.suite(if self.quick { "quick" } else { &self.suite })?;
        let replace = |list: &mut Vec<u32>, with: &Vec<u32>| {
            if !with.is_empty() {
                list.clone_from(with);
            }
        };
        replace(&mut suite.connections, &self.connections);
        replace(&mut suite.threads, &self.threads);
        if !self.servers.is_empty() {
            suite.servers.clone_from(&self.servers);
        }
        suite.duration = self.duration.unwrap_or(suite.duration);
        suite.warmup = self.warmup.unwrap_or(suite.warmup);
        suite.rounds = self.rounds.unwrap_or(suite.rounds);
        for list in [&mut suite.connections, &mut suite.threads] {
            // Named twice, it would be two samples that nothing tells apart.
            let mut seen = HashSet::new();
            list.retain(|number| seen.insert(*number));
        }
        Ok(suite)
    }

    /// What makes this run again, in the same order and in a folder of its own.
    pub fn command(&self, seed: u64, workspace: &Workspace) -> Vec<String> {
        let mut command = vec!["cargo".to_owned(), "xtask".to_owned()];
        let said = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
        command.extend(without(&["--out", "--servers-dir"], said));
        if self.seed.is_none() {
            command.extend(["--seed".to_owned(), seed.to_string()]);
        }
        if let Some(servers) = workspace.other_servers() {
            command.extend(["--servers-dir".to_owned(), servers.display().to_string()]);
        }
        command
    }
}

/// The words of a command line but for these options and their values.
fn without<'a>(
    options: &'a [&str],
    words: impl Iterator<Item = String> + 'a,
) -> impl Iterator<Item = String> + 'a {
    let mut is_value = false;
    words.filter(move |word| {
        if std::mem::take(&mut is_value) {
            return false;
        }
        is_value = options.contains(&word.as_str());
        let (name, _) = word.split_once('=').unwrap_or((word, ""));
        !options.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_dropped_with_their_values() {
        let words = "bench --out a --quick --servers-dir=b --rounds 2 --out=c";
        let kept: Vec<_> =
            without(&["--out", "--servers-dir"], words.split(' ').map(str::to_owned)).collect();
        assert_eq!(kept.join(" "), "bench --quick --rounds 2");
    }
}
