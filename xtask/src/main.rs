//! `cargo xtask`: httpdyno's harness. Parse, then one match.

mod cmd;
mod conformance;
mod host;
mod instance;
mod manifest;
mod placement;
mod plan;
mod record;
mod report;
mod stats;
mod suite;
mod summary;

fn main() {}
