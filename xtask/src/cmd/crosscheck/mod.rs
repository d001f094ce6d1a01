//! `cargo xtask crosscheck`

mod ab;
mod driver;
mod generator;
mod h2load;
mod hey;
mod oha;
mod run;
mod table;
mod wrk;

use std::collections::HashSet;
use std::hash::Hash;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ::driver::args::{at_least_one, positive_duration};
use anyhow::{Context as _, ensure};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use self::generator::{Generator, Load};
use self::run::Outcome;
use self::table::Row;
use crate::config::manifest;
use crate::config::workspace::Workspace;
use crate::host;
use crate::host::capacity::Capacity;
use crate::host::placement::Placement;
use crate::process::failure::Failure;
use crate::process::interrupt;
use crate::server::build;
use crate::server::instance::{Instances, READY_LIMIT, Setup};
use crate::text::{cpus, plural};

/// Those that our driver can be held against.
const OTHERS: [&Generator; 5] =
    [&wrk::GENERATOR, &h2load::GENERATOR, &oha::GENERATOR, &hey::GENERATOR, &ab::GENERATOR];

const SCENARIO: &str = "ping";

/// How much longer than it was asked to a generator may take: to open its connections, to wait for
/// what is in flight, to sort what it has stored.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hold our driver against other load generators, on the same server
///
/// In each round, our driver and each of the others run once, in turn, on the same CPUs, each
/// against a freshly started server; who goes first changes from round to round. Printed for each
/// number of connections: the medians over rounds of requests per second and of requests per second
/// of the generator's CPU time (of its whole process), the driver's figures ÷ those of the other in
/// the same round with a 95 % interval (from 6 rounds on), how far the mean latency is at worst from
/// what Little's law allows ("-" where none is said, or not exactly enough), and errors.
///
/// The others send one fixed request and do not compare the answer with it; our driver changes the
/// number in each request and checks every byte of every answer. ab always has one thread.
///
/// For wrk, oha, hey and ab, opening the connections is part of the duration: with many connections,
/// make it long enough for those that open them slowly, or they complete little or nothing. Little's
/// law needs long runs, too: what is under way at the end is in no mean, so that an exact one reads
/// too low by half the latency ÷ the duration.
///
/// Exits with 1 when the driver had an error; what the others fail at is said and is no error.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask crosscheck
  cargo xtask crosscheck --against wrk,h2load,oha,hey,ab --connections 2,400
  cargo xtask crosscheck --against wrk,h2load --connections 19900 --pairs 9 --duration 20s
  cargo xtask crosscheck --server axum --connections 2 --pairs 9 --duration 5s
  cargo xtask crosscheck --server-threads 1     the server is the limit, the generators wait for it")]
pub struct Args {
    /// The generators to hold it against, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "wrk")]
    #[arg(value_parser = PossibleValuesParser::new(OTHERS.map(|other| other.name)).map(named))]
    against: Vec<&'static Generator>,
    /// The server (a folder under servers/)
    #[arg(long, value_name = "SERVER", default_value = "hyper")]
    server: String,
    /// Connections of each generator; several counts separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "400")]
    #[arg(value_parser = at_least_one)]
    connections: Vec<u32>,
    /// Threads of each generator
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    threads: u32,
    /// Threads of the server [default: one for each CPU that the generators leave, so that the
    /// generator is the limit and not the server]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    server_threads: Option<u32>,
    /// Length of each run; a fraction of a second is rounded up, as most of them take none
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = positive_duration)]
    duration: Duration,
    /// Rounds, in each of which each generator runs once
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = at_least_one)]
    pairs: u32,
}

/// The one of that name, which clap has checked.
fn named(name: String) -> &'static Generator {
    let generator = OTHERS.into_iter().find(|other| other.name == name);
    generator.expect("the possible values are their names")
}

struct Crosscheck<'a> {
    args: &'a Args,
    /// What runs in each round, our driver first: each with its program.
    generators: Vec<(&'static Generator, String)>,
    server: Setup<'a>,
    cpus: &'a [usize],
    /// Files with the request, see [`Load`].
    body: String,
    script: String,
    interrupt: &'a AtomicBool,
}

pub fn run(mut args: Args, servers: Option<&Path>) -> anyhow::Result<ExitCode> {
    let interrupt = interrupt::install()?;
    let capacity = Capacity::of_host();
    // Named twice, it would be measured twice.
    dedup(&mut args.connections, |connections| *connections);
    dedup(&mut args.against, |generator| generator.name);
    args.check(&capacity)?;
    let workspace = Workspace::find(servers)?;
    let mut servers =
        manifest::select(workspace.servers()?, std::slice::from_ref(&args.server), &[])?;
    let server = servers.pop().context("no server was selected")?;
    let variant = server.variants.first().context("the server has no variant")?;
    let driver = build::driver(&workspace, &interrupt)?;
    build::server(&server, &interrupt)?;
    let allowed = host::cpu::allowed();
    let spare = (allowed.len() as u32).saturating_sub(args.threads).max(1);
    let placement =
        Placement::new(&allowed, &host::cpu::cores(), args.server_threads.unwrap_or(spare));
    let server_threads = args.server_threads.unwrap_or(placement.server.len() as u32);
    for warning in &placement.warnings {
        println!("WARNING: {warning}");
    }
    let file = |name| workspace.root.join("wrk").join(name).display().to_string();
    let others = args.against.iter().map(|other| (*other, other.name.to_owned()));
    let crosscheck = Crosscheck {
        args: &args,
        generators: [(&driver::GENERATOR, driver.display().to_string())]
            .into_iter()
            .chain(others)
            .collect(),
        server: Setup {
            manifest: &server,
            variant,
            scenario: SCENARIO,
            threads: server_threads,
            target: &workspace.target,
            cpus: &placement.server,
            ready_limit: READY_LIMIT,
        },
        // As many CPUs as threads, so that all generators have the same.
        cpus: &placement.driver[..placement.driver.len().min(args.threads as usize)],
        body: file("ping.json"),
        script: file("ping.lua"),
        interrupt: &interrupt,
    };
    println!(
        "{}/{}, {} on CPU {}; generators with {} on CPU {}; {} of {} s",
        server.name,
        variant.name,
        plural(server_threads, "thread"),
        cpus(&placement.server),
        plural(args.threads, "thread"),
        cpus(crosscheck.cpus),
        plural(args.pairs, "round"),
        args.seconds(),
    );
    let mut clean = true;
    for connections in &args.connections {
        let mut rows = crosscheck.level(*connections)?;
        let others = rows.split_off(1);
        let driver = &rows[0];
        println!("\n{}", plural(*connections, "connection"));
        print!("{}", table::table(driver, &others));
        clean &= driver.is_clean();
    }
    if !clean {
        eprintln!(
            "error: not every run of our driver was measured and without an error, see above"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Leaves the first of those with the same key.
fn dedup<T, K: Eq + Hash>(list: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut seen = HashSet::new();
    list.retain(|item| seen.insert(key(item)));
}

impl Args {
    fn check(&self, capacity: &Capacity) -> anyhow::Result<()> {
        let missing = self.against.iter().filter(|other| !build::on_path(other.name));
        let missing: Vec<String> = missing
            .map(|other| format!("{} is not on PATH; get it: {}", other.name, other.get))
            .collect();
        ensure!(missing.is_empty(), "{}", missing.join("\n"));
        for connections in &self.connections {
            capacity.check(*connections)?;
            ensure!(
                capacity.instances(*connections) == 1,
                "{connections} connections need more than one server process on this host \
                 (descriptor limit {}), and other generators take one address; ask for fewer with \
                 --connections",
                capacity.descriptors
            );
            ensure!(
                self.threads <= *connections,
                "--threads {} is more than --connections {connections}",
                self.threads
            );
        }
        Ok(())
    }

    fn seconds(&self) -> u64 {
        self.duration.as_secs() + u64::from(self.duration.subsec_nanos() > 0)
    }
}

impl Crosscheck<'_> {
    /// All rounds with so many connections: a row for each generator, our driver's first.
    fn level(&self, connections: u32) -> anyhow::Result<Vec<Row>> {
        let mut rows: Vec<Row> = self
            .generators
            .iter()
            .map(|(generator, _)| Row { name: generator.name, outcomes: Vec::new() })
            .collect();
        let rounds = self.args.pairs;
        for round in 0..rounds as usize {
            for index in order(round, rows.len()) {
                eprintln!(
                    "{}, round {} of {rounds}: {}",
                    plural(connections, "connection"),
                    round + 1,
                    rows[index].name
                );
                rows[index].outcomes.push(self.run(index, connections)?);
            }
        }
        Ok(rows)
    }

    fn run(&self, index: usize, connections: u32) -> anyhow::Result<Outcome> {
        let (generator, program) = &self.generators[index];
        // A fresh one for each run: it holds no descriptor of a connection that the last generator
        // has closed a moment ago, and its port none of their sockets in TIME_WAIT.
        let server = Instances::start(&self.server, 1, self.interrupt)?;
        let address = *server.addresses().first().context("no instance was started")?;
        let load = Load {
            url: &format!("http://{address}/ping"),
            connections,
            threads: self.args.threads,
            seconds: self.args.seconds(),
            body: &self.body,
            script: &self.script,
        };
        let mut argv = vec![program.clone()];
        argv.extend((generator.arguments)(&load));
        let limit = Duration::from_secs(load.seconds) + PATIENCE;
        let outcome =
            run::run(&argv, self.cpus, connections, limit, generator.read, self.interrupt)?;
        server.alive().map_err(Failure::from)?;
        Ok(outcome)
    }
}

/// The order of `count` generators in a round: in `count` rounds, each is once at each place.
fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (round + place) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_none_of_them_writes_is_shown_in_the_error() {
        for generator in OTHERS {
            let error = (generator.read)("unable to connect\n").unwrap_err().to_string();
            assert!(error.contains("unable to connect"), "{}: {error}", generator.name);
            assert!((generator.read)("").is_err(), "{}", generator.name);
        }
    }

    #[test]
    fn each_is_told_all_of_the_load() {
        let load = Load {
            url: "http://127.0.0.1:7770/ping",
            connections: 345,
            threads: 1,
            seconds: 67,
            body: "a-body",
            script: "a-script",
        };
        for generator in OTHERS {
            let arguments = (generator.arguments)(&load);
            for told in [load.url, "345", "67"] {
                let found = arguments.iter().any(|word| word.starts_with(told));
                assert!(found, "{} is not told {told}: {arguments:?}", generator.name);
            }
            let request = [load.body, load.script];
            let found = arguments.iter().any(|word| request.contains(&word.as_str()));
            assert!(found, "{} is not told what to send: {arguments:?}", generator.name);
        }
    }
}
