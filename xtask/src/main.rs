//! `cargo xtask`: httpdyno's harness. Parse, then one match.

mod background;
mod build;
mod cmd;
mod conformance;
mod failure;
mod host;
mod instance;
mod interrupt;
mod manifest;
mod placement;
mod plan;
mod record;
mod report;
mod stats;
mod suggest;
mod suite;
mod summary;
mod toml_file;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures equivalent HTTP servers against each other
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Verify(cmd::verify::Args),
    List(cmd::list::Args),
    Doctor(cmd::doctor::Args),
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    let ended = match verb {
        Verb::Verify(args) => cmd::verify::run(args),
        Verb::List(args) => cmd::list::run(args),
        Verb::Doctor(args) => cmd::doctor::run(args),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
