//! httpdyno's load driver: as many connections as asked for, every answer checked against its own
//! request, and latencies that agree with Little's law.
//!
//! The binary `driver` is a thin `main` over this library; the harness links it for [`report`]
//! (the data model of one driver run) and [`response`] (the HTTP/1.1 response decoder).

pub mod report;
pub mod text;
