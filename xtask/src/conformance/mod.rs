//! Does a server do what the scenario's contract asks? Checked over raw sockets.
use serde::{Deserialize, Serialize};

/// What one case found of one variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The case's name, as `misses` in a manifest spells it.
    pub case: String,
    pub level: Level,
    /// What was seen instead of what was asked for; `None` when the case holds.
    pub miss: Option<String>,
    /// The manifest's reason, when it declares a miss of this case.
    pub declared: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Without it a server is not measured.
    Required,
    /// Published beside the numbers.
    Scored,
}
