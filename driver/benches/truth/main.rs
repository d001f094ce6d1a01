//! Are the driver's figures true? `cargo bench -p driver --bench truth`, a few minutes.
//!
//! A server beside the driver notes by its own clock when it read each request and when it wrote the
//! answer. When each request of an open loop was due follows from its number. From these two the
//! latencies are computed without the driver and compared with what it says.

// What does not hold here has to end the bench, with its reason.
#![allow(clippy::unwrap_used)]

#[path = "../support/cpu.rs"]
mod cpu;
mod expect;
#[path = "../support/median.rs"]
mod median;
mod server;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread;

use clap::{Parser, Subcommand, ValueEnum};
use driver::report::Report;

use expect::{Seen, agrees, percentile};
use median::median;
use server::{Behaviour, FIRST};

const PERCENTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];
const RUNS: usize = 3;
/// In milliseconds.
const DELAYS: [u32; 3] = [1, 5, 50];

#[derive(Parser)]
struct Cli {
    /// Only this check
    #[arg(long)]
    only: Option<Check>,
    #[command(subcommand)]
    role: Option<Role>,
    /// Given by `cargo bench`; without it, as in `cargo test`, there is nothing to do
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Serve {
        #[command(flatten)]
        behaviour: Behaviour,
        #[arg(long)]
        cpu: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// A server that freezes: is coordinated omission seen through?
    Freeze,
    /// A server with a known delay
    Delay,
    /// Is the rate the one that was asked for?
    Rate,
    /// Closed loop: mean latency against connections ÷ throughput
    Little,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Serve { behaviour, cpu }) => server::serve(behaviour, cpu).unwrap(),
        None if cli.bench => {
            let checks: [(Check, fn() -> bool); 4] = [
                (Check::Freeze, freeze),
                (Check::Delay, delay),
                (Check::Rate, rate),
                (Check::Little, little),
            ];
            let chosen =
                checks.into_iter().filter(|(check, _)| cli.only.is_none_or(|o| o == *check));
            let held = chosen.map(|(_, check)| check()).filter(|held| !held).count() == 0;
            println!("\n{}", if held { "All of it holds." } else { "NOT all of it holds." });
            return if held { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        None => println!("to measure: cargo bench -p driver --bench truth"),
    }
    ExitCode::SUCCESS
}

/// A CPU for the server, and one for the driver; the same where there is only one.
fn cpus() -> (usize, usize) {
    let allowed = cpu::allowed();
    (allowed[0], allowed[allowed.len() - 1])
}

struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    url: String,
}

impl Server {
    fn start(behaviour: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", "--cpu", &cpus().0.to_string()])
            .args(behaviour)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut address = String::new();
        output.read_line(&mut address).unwrap();
        Self { child, output, url: format!("http://{}/", address.trim()) }
    }

    /// Loads it, and returns what the driver says.
    fn load(&self, args: &str) -> Report {
        let driver = || {
            cpu::pin(&[cpus().1]);
            Command::new(env!("CARGO_BIN_EXE_driver"))
                .args([&self.url, "--scenario", "ping", "--json", "-t1", "--timeout", "5s"])
                .args(args.split(' '))
                .output()
                .unwrap()
        };
        let output = thread::scope(|scope| scope.spawn(driver).join().unwrap());
        let report: Report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(report.errors_in_all(), 0, "{}", report.errors.list());
        report
    }

    /// Ends it, and returns what it saw of the schedule that began at `begin`.
    fn stop(mut self, begin: f64) -> Vec<Seen> {
        drop(self.child.stdin.take());
        let mut bytes = Vec::new();
        self.output.read_to_end(&mut bytes).unwrap();
        self.child.wait().unwrap();
        let mut seen = server::read_back(&bytes);
        // Before it, each connection was asked something once.
        seen.retain(|seen| seen.read as f64 >= begin);
        for seen in &mut seen {
            seen.number -= FIRST;
        }
        seen
    }
}

/// Begin of the schedule and the edges of the window, in nanoseconds of the monotonic clock.
fn moments(report: &Report) -> (f64, (f64, f64)) {
    let begin = report.open_loop.as_ref().map_or(0.0, |open_loop| open_loop.begin_monotonic_s);
    let open = begin + report.config.warmup_s;
    (begin * 1e9, (open * 1e9, (open + report.window_s) * 1e9))
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "DOES NOT HOLD" }
}

/// What one run says of one percentile, in seconds.
#[derive(Clone, Copy)]
struct Percentile {
    driver: f64,
    truth: f64,
    ideal: f64,
    service: f64,
}

fn freeze() -> bool {
    println!(
        "\nA server that freezes for 1 s in every 10 s, at a fixed rate; latency in ms, over 20 s with"
    );
    println!(
        "two freezes. Of {RUNS} runs, at each percentile the one in which the two differ in the middle."
    );
    let mut held = true;
    for (rate, connections) in [(1000.0, 100), (10_000.0, 1000)] {
        println!("\n{rate} a second over {connections} connections");
        println!("    %     driver      truth      ideal   from the send");
        let runs: Vec<_> = (0..RUNS).map(|_| frozen(rate, connections)).collect();
        for (index, at) in PERCENTILES.into_iter().enumerate() {
            let mut found: Vec<Percentile> = runs.iter().map(|run| run[index]).collect();
            found.sort_by(|a, b| (a.driver - a.truth).total_cmp(&(b.driver - b.truth)));
            let Percentile { driver, truth, ideal, service } = found[RUNS / 2];
            let holds = agrees(driver, truth);
            held &= holds;
            let [driver, truth, ideal, service] =
                [driver, truth, ideal, service].map(|seconds| 1e3 * seconds);
            println!(
                "{at:>6}{driver:>11.2}{truth:>11.2}{ideal:>11.2}{service:>16.2}   {}",
                verdict(holds)
            );
        }
    }
    held
}

/// One run against a server that freezes, over two whole periods. A tenth of that time is frozen, so
/// 90 % lies on the edge of the freezes, where any other delay moves it by ten times its length.
fn frozen(rate: f64, connections: u32) -> [Percentile; PERCENTILES.len()] {
    let server = Server::start(&["--freeze"]);
    let report = server.load(&format!("--rate {rate} -c {connections} --warmup 5s -d 20s"));
    let (begin, window) = moments(&report);
    let seen = server.stop(begin);
    let truth = expect::latencies(&seen, begin, rate, window);
    let ideal = expect::ideal(rate, begin, window, &freezes(&seen));
    let service = report.service.as_ref().unwrap();
    PERCENTILES.map(|at| Percentile {
        driver: report.latency.percentile(at),
        truth: percentile(&truth, at),
        ideal: percentile(&ideal, at),
        service: service.percentile(at),
    })
}

/// The times in which the server wrote nothing for long.
fn freezes(seen: &[Seen]) -> Vec<(f64, f64)> {
    let gaps =
        seen.windows(2).filter(|pair| pair[1].written - pair[0].written > server::FREEZE / 2);
    gaps.map(|pair| (pair[0].written as f64, pair[1].written as f64)).collect()
}

fn delay() -> bool {
    println!(
        "\nA server with a known added delay; what it adds to the latency, in ms, the median of"
    );
    println!("{RUNS} runs, each against a run without a delay just before:");
    println!("  loop   delay   mean adds   50 % adds");
    let mut held = true;
    for (name, load) in [("open", "--rate 500 -c 50"), ("closed", "-c 4")] {
        let mut bases = Vec::new();
        let mut added = DELAYS.map(|_| Vec::new());
        for _ in 0..RUNS {
            let base = delayed(0, load);
            for (delay, added) in DELAYS.into_iter().zip(&mut added) {
                let found = delayed(delay, load);
                added.push([0, 1].map(|of| found[of] - base[of]));
            }
            bases.push(base);
        }
        println!("{name:>6}{:>8}{}   (all of it)", 0, in_ms(middle(&bases)));
        for (delay, added) in DELAYS.into_iter().zip(&added) {
            let added = middle(added);
            let expected = f64::from(delay) / 1e3;
            let holds = added.iter().all(|added| (added / expected - 1.0).abs() <= 0.03);
            held &= holds;
            println!("{name:>6}{delay:>8}{}   {}", in_ms(added), verdict(holds));
        }
    }
    held
}

/// Mean and median latency in seconds, against a server that answers so many milliseconds later.
fn delayed(delay_ms: u32, load: &str) -> [f64; 2] {
    let server = Server::start(&["--delay-us", &(delay_ms * 1000).to_string()]);
    let report = server.load(&format!("{load} --warmup 500ms -d 2s"));
    server.stop(0.0);
    [report.latency.mean(), report.latency.percentile(50.0)]
}

/// The median over runs of each of the two.
fn middle(runs: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|of| median(&runs.iter().map(|run| run[of]).collect::<Vec<_>>()).unwrap().0)
}

fn in_ms(seconds: [f64; 2]) -> String {
    seconds.map(|seconds| format!("{:>12.3}", 1e3 * seconds)).concat()
}

fn rate() -> bool {
    println!("\nIs the rate the one that was asked for, over 10 s?");
    println!(
        "   asked    driver    server   achieved   read after due, µs: 50 %   99 %   driver's CPU"
    );
    let mut held = true;
    for rate in [1000.0, 10_000.0, 50_000.0] {
        let server = Server::start(&[]);
        let report = server.load(&format!("--rate {rate} -c 100 --warmup 1s -d 10s"));
        let (begin, window) = moments(&report);
        let seen = server.stop(begin);
        let in_window = |seen: &&Seen| (window.0..window.1).contains(&(seen.read as f64));
        let read = seen.iter().filter(in_window).count() as f64 / report.window_s;
        let mut late: Vec<f64> = seen
            .iter()
            .filter(in_window)
            .map(|seen| seen.read as f64 - expect::due(begin, rate, seen.number))
            .collect();
        late.sort_by(f64::total_cmp);
        let holds = [report.rate(), read].iter().all(|found| (found / rate - 1.0).abs() <= 0.005);
        held &= holds;
        println!(
            "{rate:>8}{:>10.1}{:>10.1}{:>11.4}{:>26.1}{:>7.1}{:>13.0} %   {}",
            report.rate(),
            read,
            report.open_loop.as_ref().unwrap().achieved,
            percentile(&late, 50.0) / 1e3,
            percentile(&late, 99.0) / 1e3,
            100.0 * report.checks.cpu_s / report.window_s,
            verdict(holds)
        );
    }
    held
}

fn little() -> bool {
    println!("\nClosed loop: mean latency against connections ÷ throughput:");
    println!("  connections   mean, ms   connections ÷ throughput, ms   off by");
    let mut held = true;
    for connections in [2, 400, 19_900] {
        let server = Server::start(&[]);
        let report = server.load(&format!("-c {connections} --warmup 2s -d 10s"));
        server.stop(0.0);
        let expected = f64::from(connections) / report.rate();
        let off = report.latency.mean() / expected - 1.0;
        let holds = off.abs() <= 0.01;
        held &= holds;
        println!(
            "{connections:>13}{:>11.4}{:>31.4}{:>8.2} %   {}",
            1e3 * report.latency.mean(),
            1e3 * expected,
            100.0 * off,
            verdict(holds)
        );
    }
    held
}
