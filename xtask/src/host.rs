//! The machine's fingerprint, stored with each run.
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {}
