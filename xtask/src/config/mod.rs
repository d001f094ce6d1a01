//! What is asked for: `bench.toml`, the servers' manifests, and where they are.

pub mod manifest;
pub mod suggest;
pub mod suite;
mod toml_file;
pub mod workspace;
