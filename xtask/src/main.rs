//! `cargo xtask`: httpdyno's harness. Parse, then one match.

mod cmd;
mod config;
mod conformance;
mod host;
mod process;
mod report;
mod results;
mod run;
mod server;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Parser, Subcommand};
use nix::sys::signal::{SigHandler, Signal, signal};
use process::failure::Failure;
use process::interrupt;

/// Measures equivalent HTTP servers against each other
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Folder that has a folder for each server [default: servers/]
    #[arg(long, value_name = "DIR", global = true, env = "HTTPDYNO_SERVERS")]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    servers_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    Bench(cmd::bench::Args),
    Verify(cmd::verify::Args),
    List(cmd::list::Args),
    Doctor(cmd::doctor::Args),
    Report(cmd::report::Args),
    Crosscheck(cmd::crosscheck::Args),
}

fn main() -> ExitCode {
    end_with_the_reader();
    let cli = Cli::parse();
    // A variable that is set to nothing is one that is not set.
    let servers = cli.servers_dir.as_deref().filter(|dir| !dir.as_os_str().is_empty());
    let ended = match cli.verb {
        Verb::Bench(args) => cmd::bench::run(args, servers),
        Verb::Verify(args) => cmd::verify::run(args, servers),
        Verb::List(args) => cmd::list::run(args, servers),
        Verb::Doctor(args) => cmd::doctor::run(args, servers),
        Verb::Report(args) => cmd::report::run(args),
        Verb::Crosscheck(args) => cmd::crosscheck::run(args, servers),
    };
    ended.unwrap_or_else(|error| {
        if matches!(error.downcast_ref(), Some(Failure::Interrupted(_))) {
            eprintln!("interrupted");
            return ExitCode::from(interrupt::EXIT_CODE);
        }
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// A reader that has seen enough (`cargo xtask list | head`) ends this program as it ends others;
/// Rust's own choice would be a panic.
#[allow(unsafe_code)]
fn end_with_the_reader() {
    // SAFETY: no handler of ours is involved, and no other thread runs yet. It fails for unknown
    // signals only.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}
