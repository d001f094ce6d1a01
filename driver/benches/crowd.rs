//! Many connections to one machine, far more than one descriptor table or one address's ports hold:
//! `cargo bench -p driver --bench crowd -- --connections 100000 --duration 30s`.
//!
//! The server is a child of this program that echoes pings, a thread and a descriptor table for
//! each share of the connections. The shipped driver loads it twice: over several ports, and over
//! one port from several source addresses. Both must see no error and take at most 2 KiB of memory a
//! connection.

// What does not hold here has to end the bench, with its reason.
#![allow(clippy::unwrap_used)]

#[path = "support/echo.rs"]
mod echo;

use std::fs;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use driver::args::{at_least_one, positive_duration};
use driver::limits::{self, Host};
use driver::report::{Errors, Report};

use echo::{Serve, Server, serve};

/// The driver's own memory that one connection may take, in bytes.
const MOST_PER_CONNECTION: f64 = 2048.0;
/// How often memory is looked at while the driver runs.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    crowd: Crowd,
    #[command(subcommand)]
    role: Option<Role>,
    /// Given by `cargo bench`; without it, as in `cargo test`, there is nothing to do
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Args)]
struct Crowd {
    /// Connections to open and to load
    #[arg(long, default_value = "100000", value_parser = at_least_one)]
    connections: u32,
    /// How long to load them
    #[arg(long, default_value = "10s", value_parser = positive_duration)]
    duration: Duration,
    /// A request without an answer after this long is an error
    #[arg(long, default_value = "10s", value_parser = positive_duration)]
    timeout: Duration,
}

#[derive(Subcommand)]
enum Role {
    /// The server: says its addresses and ends when its input does
    #[command(hide = true)]
    Serve(Serve),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Serve(told)) => serve(told),
        None if cli.bench => return load(&cli.crowd),
        None => println!("to measure: cargo bench -p driver --bench crowd"),
    }
    ExitCode::SUCCESS
}

/// Loads a server over several ports, then one over one port; fails when either was not as it must
/// be.
fn load(crowd: &Crowd) -> ExitCode {
    let host = Host::read(&[]);
    let table = host.descriptors.saturating_sub(limits::RESERVE).max(1);
    // A tenth of each is left free: where threads share a port, the kernel gives each about the
    // same number of connections, not exactly.
    let shares = |most: u64| u64::from(crowd.connections).div_ceil((most * 9 / 10).max(1)) as u32;
    let threads = shares(table);
    let routes = shares(host.ports.map_or(table, |ports| ports.usable(&[])));
    let last = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + routes - 1);
    let source = format!("{}-{last}", Ipv4Addr::LOCALHOST);
    println!(
        "{} connections for {:?}: {threads} driver threads with {} descriptors each",
        crowd.connections, crowd.duration, host.descriptors
    );

    let mut good = true;
    for (name, one_port, options) in
        [("several ports", false, vec![]), ("one port", true, vec!["--source", &source])]
    {
        let server = Server::start(Serve { threads: threads.max(routes), one_port, awake: false });
        println!("\n{name}: {} {}", server.urls.join(" "), options.join(" "));
        good &= measure(crowd, threads, &server, &options);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the driver, prints what it found, and returns whether that is as it must be.
fn measure(crowd: &Crowd, threads: u32, server: &Server, options: &[&str]) -> bool {
    let before = Memory::now();
    let mut driver = Command::new(env!("CARGO_BIN_EXE_driver"))
        .args(["--scenario", "ping", "--json"])
        .arg(format!("--connections={}", crowd.connections))
        .arg(format!("--threads={threads}"))
        .arg(format!("--duration={}ms", crowd.duration.as_millis()))
        .arg(format!("--timeout={}ms", crowd.timeout.as_millis()))
        .arg("--connect-timeout=2m")
        .args(options)
        .args(&server.urls)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = driver.stdout.take().unwrap();
    let (ended, end) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        ended.send(()).unwrap();
        text
    });
    let mut most = before;
    while end.recv_timeout(LOOK).is_err() {
        most = most.max(Memory::now());
    }
    let text = reader.join().unwrap();
    if !driver.wait().unwrap().success() {
        return false;
    }
    let report: Report = serde_json::from_str(&text).unwrap();

    let per_connection = |bytes: u64| bytes as f64 / f64::from(crowd.connections);
    let memory = per_connection(report.checks.peak_rss);
    let no_errors = report.errors == Errors::default() && report.errors_before == Errors::default();
    let good = report.connect.established == crowd.connections
        && no_errors
        && report.unanswered == 0
        && memory <= MOST_PER_CONNECTION;
    println!(
        "  established  {} of {}, in {:.2} s",
        report.connect.established, crowd.connections, report.connect.ramp_s
    );
    println!("  errors       {}", if no_errors { "none".into() } else { errors(&report) });
    println!("  unanswered   {}", report.unanswered);
    println!("  requests     {:.0} a second", report.requests as f64 / report.window_s);
    println!(
        "  driver       {memory:.0} bytes of memory a connection, at most {MOST_PER_CONNECTION}; \
         busy {:.2}",
        report.checks.busy
    );
    println!(
        "  kernel       {:.0} bytes a connection, of them {:.0} slab; {:.2} pages of TCP memory",
        per_connection(most.kernel - before.kernel),
        per_connection(most.slab - before.slab),
        per_connection(most.tcp_pages - before.tcp_pages)
    );
    println!("  verdict      {}", if good { "as it must be" } else { "NOT as it must be" });
    good
}

fn errors(report: &Report) -> String {
    let mut errors = report.errors_before.clone();
    errors.merge(&report.errors);
    errors.list()
}

/// The whole host's memory.
#[derive(Clone, Copy)]
struct Memory {
    /// Bytes that are neither free, nor a process's, nor a file's.
    kernel: u64,
    slab: u64,
    tcp_pages: u64,
}

impl Memory {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let bytes = |name| {
            let line = text.lines().find_map(|line: &str| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kib.unwrap_or(0) * 1024
        };
        let others = ["MemFree:", "Buffers:", "Cached:", "AnonPages:"].map(bytes);
        Self {
            kernel: bytes("MemTotal:").saturating_sub(others.iter().sum()),
            slab: bytes("Slab:"),
            tcp_pages: Host::read(&[]).tcp_memory.map_or(0, |memory| memory.used),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            kernel: self.kernel.max(other.kernel),
            slab: self.slab.max(other.slab),
            tcp_pages: self.tcp_pages.max(other.tcp_pages),
        }
    }
}
