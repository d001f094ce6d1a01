//! Servers as processes: built, started, checked, read, ended.

pub mod build;
pub mod instance;
pub mod prepare;
