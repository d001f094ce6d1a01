//! httpdyno's load driver: as many connections as asked for, every answer checked against its own
//! request, and latencies that agree with Little's law.
//!
//! The binary `driver` is a thin `main` over this library; the harness links it for [`report`]
//! (the data model of one driver run), [`text`] (wrk's layout) and [`args::duration`].

pub mod args;
mod connection;
mod job;
pub mod limits;
mod pace;
mod ramp;
pub mod report;
mod request;
pub mod response;
pub mod run;
pub mod scenario;
mod tally;
pub mod text;
mod transport;
mod window;
mod worker;
