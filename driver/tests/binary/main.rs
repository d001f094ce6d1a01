//! The binary against small servers, well and ill behaved.

// In a test, what does not hold has to end it.
#![allow(clippy::unwrap_used)]

mod errors;
mod limits;
mod misbehave;
mod modes;
mod outputs;
mod support;
mod usage;
