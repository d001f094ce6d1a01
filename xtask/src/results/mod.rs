//! `results/<run-id>/`: the data model, the folder, and what the samples come to.

pub mod record;
pub mod stats;
pub mod store;
pub mod summary;
