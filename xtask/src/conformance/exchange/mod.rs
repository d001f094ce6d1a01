//! A blocking HTTP/1.1 client for tests of servers. It writes whatever bytes it is given and reads
//! exactly one response at a time, strictly: bounded in bytes and in time, and never repairing what
//! a server got wrong.

mod connection;
mod failure;
mod reader;
mod response;

pub use connection::{Connection, PATIENCE};
pub use failure::{Failure, excerpt};
pub use response::{Asked, Framing, Response};
