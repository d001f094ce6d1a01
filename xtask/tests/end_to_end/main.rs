//! The harness from the outside: the real program, real processes, real results folders.
//!
//! One test program, so that tests that measure can take turns (see [`support::turn`]) and so that
//! it can be started again as a server (see [`server`]).

mod bad_input;
mod bad_servers;
mod bench;
mod crosscheck;
mod server;
mod support;
mod verify;
