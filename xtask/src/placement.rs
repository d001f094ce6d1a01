//! Which CPUs the servers get and which the driver gets.
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// CPU numbers of the server's processes.
    pub server: Vec<usize>,
    /// CPU numbers of the driver's threads.
    pub driver: Vec<usize>,
    /// What a reader must know, e.g. that there is one CPU and both share it.
    pub warnings: Vec<String>,
}
