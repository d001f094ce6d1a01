//! httpdyno's load driver: as many connections as asked for, every answer checked against its own
//! request, and latencies that agree with Little's law.
//!
//! The binary `driver` is a thin `main` over this library. The harness links it for what both must
//! agree on: the data model of a run ([`report`]), its events ([`run::Event`]), wrk's layout
//! ([`output::text`]), the scenarios' names, the parsers of counts and times, and the descriptor reserve.

pub mod args;
pub mod http;
pub mod limits;
pub mod merge;
pub mod output;
mod pace;
mod record;
pub mod report;
pub mod run;
pub mod scenario;
mod source;
mod transport;
mod worker;
