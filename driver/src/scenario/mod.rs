//! What is asked of a server, and which answer is the right one.
//!
//! The rest of the driver knows [`Exchange`]s only; what a ping is stands in `ping.rs`.

mod ping;

use crate::http::request::{Request, Template};

/// A request and the answer it must get.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub request: Request,
    pub expect: Expect,
}

/// Which answer is right.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Any complete response with a 2xx or 3xx status.
    Success,
    /// This status with exactly this body, the request's own number in it.
    Exactly { status: u16, body: Template },
}

/// Names of the scenarios.
pub const NAMES: [&str; 1] = [ping::NAME];

/// The exchange of the scenario called `name`; `None` when there is no such scenario.
pub fn find(name: &str) -> Option<Exchange> {
    (name == ping::NAME).then(ping::exchange)
}
