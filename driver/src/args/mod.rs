//! The command line: what may be said, and what it comes to.

mod load;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::report::Rate;
use crate::scenario;
use crate::source::SourceRange;

pub use load::{Endpoint, Load, UsageError};
pub use values::{Shard, at_least_one, duration, positive_duration};
use values::{header, moment, pipeline, rate, token};

const EXAMPLES: &str = "\
Examples:
  driver http://127.0.0.1:8080/
      10 connections, 2 threads, 10 seconds
  driver http://127.0.0.1:8080/ping -c 400 -t 1 -d 30s --scenario ping
      POST /ping with a number that changes, every answer checked against its request
  driver http://127.0.0.1:8080/users -m POST -b '{\"name\":\"a\"}' -H 'Content-Type: application/json'
  driver http://127.0.0.1:8001/ http://127.0.0.1:8002/ -c 40000 -t 4 --json
      two instances of one server, the connections spread evenly, the result as JSON
  driver http://127.0.0.1:8080/ -c 100000 -t 6 --source 127.0.0.1-127.0.0.4
      more connections than one address has ports: from four addresses of this host
  driver http://127.0.0.1:8080/ping -c 100 --rate 20k --scenario ping --deadline 50ms
      20,000 requests a second, whatever the server does; latency from the scheduled moment

Exit status: 0 measured, 1 nothing could be measured, 2 bad usage, 3 measured but not what was asked
for (the rate was not reached), 4 the driver was the limit (with --strict), 130 interrupted.";

const MERGE_EXAMPLES: &str = "\
Examples:
  driver http://server/ -c 1000 --rate 50k --shard 1/2 --start-at $T --json > 1.json   on one host
  driver http://server/ -c 1000 --rate 50k --shard 2/2 --start-at $T --json > 2.json   on another
  driver merge 1.json 2.json --hgrm both.hgrm
  driver merge 1.json --prometheus -                      one report alone, in another form

Exit status: that of a driver which measured the same; 3 and 4 also when one of the drivers ended so.";

/// Loads an HTTP/1.1 server and says how many right answers it gave, and how late.
#[derive(Debug, Parser)]
#[command(
    name = "driver",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub load: Args,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Merge(Merge),
}

/// A load.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to send requests; connection i goes to URL i modulo their number
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    /// Connections to keep open, over all threads
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub connections: u32,
    /// Threads to send from, each with its own connections and descriptor table
    #[arg(short, long, value_name = "N", default_value_t = 2, value_parser = at_least_one)]
    pub threads: u32,
    /// Addresses of this host to connect from, in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9; several
    /// with commas or by repeating it [default: the kernel's choice]
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub source: Vec<SourceRange>,
    /// Open loop: send at this rate per second over all connections, whatever the server does; A..B
    /// goes from A to B while measuring. Latency then counts from the scheduled moment
    #[arg(short = 'R', long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<Rate>,
    /// How long to measure, e.g. 10s, 500ms, 2m; a bare number is seconds
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    pub duration: Duration,
    /// How long to load the server before measuring
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub warmup: Duration,
    /// A request without a complete answer this long after it was sent has failed, as has an attempt
    /// to connect
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = positive_duration)]
    pub timeout: Duration,
    /// A right answer later than this after its request was due counts as an error, and its
    /// connection goes on [default: none]
    #[arg(long, value_name = "TIME", value_parser = positive_duration)]
    pub deadline: Option<Duration>,
    /// Requests that each connection has in flight
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = pipeline)]
    pub pipeline: u32,
    /// Open a connection for each request; latency includes opening it
    #[arg(long, conflicts_with = "pipeline")]
    pub no_keepalive: bool,
    /// Whether to open a connection again when it has ended
    #[arg(long, value_name = "WHEN", default_value = "always")]
    pub reconnect: Reconnect,
    /// Begin the load at this time (RFC 3339, or Unix seconds), with all connections open
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub start_at: Option<Timestamp>,
    /// Be driver I of N that share connections and rate
    #[arg(long, value_name = "I/N", default_value = "1/1", hide_default_value = true)]
    pub shard: Shard,
    /// How long opening all connections may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive_duration)]
    pub connect_timeout: Duration,
    /// Request method [default: GET]
    #[arg(short, long, value_name = "METHOD", value_parser = token)]
    pub method: Option<String>,
    /// Request body
    #[arg(short, long, value_name = "BODY")]
    pub body: Option<String>,
    /// A header to add, `Name: value`; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Requests and answers of a named scenario instead of a method and a body of your own
    #[arg(long, value_name = "NAME", value_parser = scenario::NAMES, conflicts_with_all = ["method", "body"])]
    pub scenario: Option<String>,
    /// Record the window second by second, in the JSON too
    #[arg(long)]
    pub intervals: bool,
    /// Before the result, say what happens as it happens: one JSON object a line
    #[arg(long, requires = "json")]
    pub progress: bool,
    #[command(flatten)]
    pub outputs: Outputs,
}

/// What a result is written as, and where to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Result")]
pub struct Outputs {
    /// Print the result as JSON (see FORMAT.md) instead of text in wrk's layout
    #[arg(long)]
    pub json: bool,
    /// Write the latency's percentiles, as HdrHistogram's plotters read them; `-`, here and below,
    /// is standard output
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// Write an HdrHistogram interval log: the latency of each second
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// Write a line for each second: rate, errors, connections, latency
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the result as Prometheus metrics, for the textfile collector or a push gateway
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,
    /// Exit with 4 when the driver, not the server, was the limit
    #[arg(long)]
    pub strict: bool,
}

impl Outputs {
    /// Whether any of them needs the window second by second.
    pub fn need_intervals(&self) -> bool {
        self.hlog.is_some() || self.csv.is_some()
    }
}

/// Adds the reports of drivers that ran side by side, as if they were one
///
/// Takes what `driver --json` printed on each of them. Histograms and counts are added, nothing is
/// averaged, so the percentiles are those of all requests. The runs must have been the same load at
/// the same time: `--shard` and `--start-at` make them so.
#[derive(Debug, clap::Args)]
#[command(after_help = MERGE_EXAMPLES)]
pub struct Merge {
    /// A report; `-` is standard input. One alone is written in the form that is asked for
    #[arg(value_name = "FILE")]
    pub first: PathBuf,
    /// Reports to add to it
    #[arg(value_name = "FILE")]
    pub others: Vec<PathBuf>,
    #[command(flatten)]
    pub outputs: Outputs,
}

/// What happens to a connection that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reconnect {
    /// It is opened again: at once when the server closed it after an answer, after a growing pause
    /// when it failed
    Always,
    /// It stays closed, and is reported as lost
    Never,
}
impl Args {
    /// Connections of this driver, which may be one of several shards.
    pub fn own_connections(&self) -> u32 {
        let shares = (0..self.threads).map(|worker| self.share(worker).1);
        shares.sum()
    }

    /// First connection and number of connections of worker `worker` of this driver, in the count
    /// over all shards.
    pub(crate) fn share(&self, worker: u32) -> (u32, u32) {
        let (workers, index) = (self.workers(), self.worker(worker));
        let (each, rest) = (self.connections / workers, self.connections % workers);
        (index.saturating_mul(each) + index.min(rest), each + u32::from(index < rest))
    }

    /// Workers of all shards. [`Self::load`] has checked that there are no more than connections.
    pub(crate) fn workers(&self) -> u32 {
        self.shard.of.saturating_mul(self.threads)
    }

    /// Position of worker `local` of this driver among those of all shards.
    pub(crate) fn worker(&self, local: u32) -> u32 {
        self.shard.index.saturating_mul(self.threads).saturating_add(local)
    }

    /// Whether the window is recorded second by second.
    pub(crate) fn records_intervals(&self) -> bool {
        self.intervals || self.outputs.need_intervals()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Ok(Cli::try_parse_from([&["driver"], args].concat())?.load)
    }

    #[test]
    fn zeros_are_refused() {
        for args in [["-c", "0"], ["-t", "0"], ["-d", "0"], ["--timeout", "0ms"]] {
            let error = parse(&[&["http://127.0.0.1:1/"][..], &args].concat()).unwrap_err();
            assert!(error.to_string().contains(args[0]), "{error}");
        }
        assert!(parse(&["http://127.0.0.1:1/", "--warmup", "0"]).is_ok());
    }

    #[test]
    fn every_connection_belongs_to_exactly_one_worker_of_one_shard() {
        for (connections, threads, shards) in
            [(1, 1, 1), (10, 3, 1), (400, 7, 3), (20_000, 2, 4), (8, 4, 2)]
        {
            let mut next = 0;
            for shard in 1..=shards {
                let args = parse(&[
                    "http://127.0.0.1:1/",
                    &format!("-c{connections}"),
                    &format!("-t{threads}"),
                    &format!("--shard={shard}/{shards}"),
                ])
                .unwrap();
                let before = next;
                for worker in 0..threads {
                    let (first, count) = args.share(worker);
                    assert_eq!(first, next);
                    assert!(count.abs_diff(connections / threads / shards) <= 1);
                    next += count;
                }
                assert_eq!(args.own_connections(), next - before);
            }
            assert_eq!(next, connections);
        }
    }

    #[test]
    fn a_moment_is_a_time_or_seconds() {
        assert_eq!(moment("1.5").unwrap().as_millisecond(), 1500);
        assert_eq!(moment("1970-01-01T00:00:02Z").unwrap().as_second(), 2);
        for text in ["", "now", "12:00", "-5", "1e300", "NaN"] {
            assert!(moment(text).is_err(), "{text}");
        }
        let past = parse(&["http://127.0.0.1:1/", "--start-at", "1"]).unwrap().load();
        assert!(past.unwrap_err().to_string().contains("in the past"));
    }
}
