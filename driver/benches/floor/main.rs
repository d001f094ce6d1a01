//! What does the driver take more than a loop of bare sends and receives?
//! `cargo bench -p driver --bench floor`, a few minutes.
//!
//! The bare loop (see `bare.rs`) does nothing that a load driver is for. How much of its requests per
//! CPU-second the driver reaches is how much of the driver's time goes into the system calls that
//! nobody can do without. Both run in turn on one CPU, against one server on another that never
//! sleeps: else half of what a client does is to wake the server up, and that differs from run to run.
//! With few connections both sleep between answers, and what is compared is mostly that; there the
//! driver may come out cheaper, as it is awake when the next answer comes.

// What does not hold here has to end the bench, with its reason.
#![allow(clippy::unwrap_used)]

mod bare;
#[path = "../support/cpu.rs"]
mod cpu;
#[path = "../support/echo.rs"]
mod echo;
#[path = "../support/median.rs"]
mod median;

use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use driver::args::{at_least_one, positive_duration};
use driver::report::Report;

use bare::{Bare, Counted};
use echo::{Serve, Server, serve};
use median::median;

/// The share of the bare loop's requests per CPU-second that the driver has to reach.
const SHARE: f64 = 0.95;
const WARMUP: Duration = Duration::from_secs(1);

#[derive(Parser)]
struct Cli {
    /// Connections, several with commas
    #[arg(long, default_value = "2,400,19900", value_delimiter = ',', value_parser = at_least_one)]
    connections: Vec<u32>,
    /// How long each run measures
    #[arg(long, default_value = "3s", value_parser = positive_duration)]
    duration: Duration,
    /// How often both run
    #[arg(long, default_value = "9", value_parser = at_least_one)]
    pairs: u32,
    #[command(subcommand)]
    role: Option<Role>,
    /// Given by `cargo bench`; without it, as in `cargo test`, there is nothing to do
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Serve(Serve),
    #[command(hide = true)]
    Bare(Bare),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.role {
        Some(Role::Serve(told)) => serve(*told),
        Some(Role::Bare(told)) => {
            let counted = bare::run(told).unwrap();
            println!("{}", serde_json::to_string(&counted).unwrap());
        }
        None if cli.bench => return measure(&cli),
        None => println!("to measure: cargo bench -p driver --bench floor"),
    }
    ExitCode::SUCCESS
}

fn measure(cli: &Cli) -> ExitCode {
    let allowed = cpu::allowed();
    // The same where there is only one.
    let (other, own) = (allowed[0], allowed[allowed.len() - 1]);
    println!("Requests per CPU-second, {} pairs of {:?}, on CPU {own}:", cli.pairs, cli.duration);
    println!("  connections       bare     driver   driver \u{f7} bare");
    let mut good = true;
    for connections in &cli.connections {
        let server = thread::scope(|scope| {
            let start = || {
                cpu::pin(&[other]);
                Server::start(Serve { threads: 1, one_port: false, awake: true })
            };
            scope.spawn(start).join().unwrap()
        });
        let run = |what: fn(&Cli, u32, &[String]) -> Counted| {
            let pinned = || {
                cpu::pin(&[own]);
                what(cli, *connections, &server.urls)
            };
            let counted = thread::scope(|scope| scope.spawn(pinned).join().unwrap());
            counted.requests as f64 / counted.cpu_s
        };
        let (mut bares, mut drivers, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..cli.pairs {
            let (bare, driver) = if pair % 2 == 0 {
                let bare = run(bare);
                (bare, run(driver))
            } else {
                let driver = run(driver);
                (run(bare), driver)
            };
            bares.push(bare);
            drivers.push(driver);
            shares.push(driver / bare);
        }
        let (share, interval) = median(&shares).unwrap();
        let interval = interval.map_or("too few pairs for an interval".into(), |(low, high)| {
            format!("{low:.3} to {high:.3}")
        });
        println!(
            "{connections:>13}{:>11.0}{:>11.0}{share:>16.3} ({interval})",
            median(&bares).unwrap().0,
            median(&drivers).unwrap().0
        );
        good &= share >= SHARE;
    }
    println!("{} {SHARE} everywhere.", if good { "At least" } else { "NOT at least" });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bare(cli: &Cli, connections: u32, urls: &[String]) -> Counted {
    let addresses = urls.iter().map(|url| url.trim_start_matches("http://").trim_end_matches('/'));
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("bare")
        .arg(format!("--connections={connections}"))
        .arg(format!("--warmup={}", WARMUP.as_secs_f64()))
        .arg(format!("--duration={}", cli.duration.as_secs_f64()))
        .args(addresses)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn driver(cli: &Cli, connections: u32, urls: &[String]) -> Counted {
    let output = Command::new(env!("CARGO_BIN_EXE_driver"))
        .args(["--scenario=ping", "--json", "-t1"])
        .arg(format!("-c{connections}"))
        .arg(format!("--warmup={}", WARMUP.as_secs_f64()))
        .arg(format!("--duration={}", cli.duration.as_secs_f64()))
        .args(urls)
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report.errors_in_all(), 0, "{}", report.errors.list());
    Counted { requests: report.requests, cpu_s: report.checks.cpu_s }
}
