//! Child processes, how they end, and how a person ends everything.

pub mod background;
mod drain;
pub mod failure;
pub mod interrupt;
mod spawn;

pub use spawn::{Child, Finished, Stdout, spawn};
