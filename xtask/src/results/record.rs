//! The data model of `results/<run-id>/`: `run.json` (written once, before the first sample) and
//! `samples.jsonl` (one [`Sample`] a line, appended and flushed). Everything a report shows comes
//! from here.

use serde::{Deserialize, Serialize};

use crate::config::manifest::Tuning;
use crate::conformance::CaseResult;
use crate::host::Host;
use crate::host::placement::Placement;

/// Version of both files; raised when a reader would misread them.
pub const SCHEMA: u32 = 1;

/// One invocation of `bench`: what was asked, of which servers, on which machine, in which order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub schema: u32,
    /// The folder's name, e.g. `20261120-234247`.
    pub id: String,
    pub created_at: jiff::Timestamp,
    /// The command that reproduces the run, as an argument vector.
    pub command: Vec<String>,
    pub options: Options,
    pub host: Host,
    pub placement: Placement,
    pub servers: Vec<Server>,
    /// Every sample of the run, in the order in which it is taken.
    pub plan: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    pub suite: String,
    pub duration_s: f64,
    pub warmup_s: f64,
    pub timeout_s: f64,
    pub rounds: u32,
    /// What the order of the cells was drawn from.
    pub seed: u64,
}

impl Options {
    /// Whether a run can have these: a file can hold anything.
    pub fn check(&self) -> Result<(), String> {
        for (name, seconds) in [
            ("duration_s", self.duration_s),
            ("warmup_s", self.warmup_s),
            ("timeout_s", self.timeout_s),
        ] {
            // The driver takes no longer ones either.
            if !(0.0..=366.0 * 24.0 * 3600.0).contains(&seconds) {
                return Err(format!("options.{name} is {seconds}, which is no length of time"));
            }
        }
        Ok(())
    }
}

/// A server as it was when the run began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// The folder's name under `servers/`.
    pub name: String,
    pub display: String,
    pub language: String,
    pub framework: String,
    /// As read from the build; empty when the server did not build.
    pub version: String,
    /// Why there are no samples of this server, when there are none.
    pub problem: Option<Problem>,
    pub variants: Vec<Variant>,
    /// Threads that exist besides those that serve requests.
    pub other_threads: String,
    pub tuning: Vec<Tuning>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Variant {
    pub name: String,
    pub conformance: Vec<CaseResult>,
    /// Why this variant was not measured, when it was not.
    pub problem: Option<Problem>,
}

/// Something that went wrong, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub stage: Stage,
    pub message: String,
    /// The last lines that the failing program wrote to its standard error.
    pub stderr_tail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// A program that the server needs is not installed.
    Requirements,
    Build,
    Start,
    Verify,
    Measure,
}

/// One row's identity: what is measured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    pub server: String,
    pub variant: String,
    pub scenario: String,
    pub connections: u32,
    /// Threads that serve requests.
    pub threads: u32,
}

/// One planned sample.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// From 1.
    pub round: u32,
    pub cell: Cell,
}

/// One line of `samples.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub schema: u32,
    #[serde(flatten)]
    pub step: Step,
    pub started_at: jiff::Timestamp,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Measured(Box<Measurement>),
    Failed(Problem),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    pub driver: driver::report::Report,
    pub server: Usage,
    /// Server processes that shared the connections.
    pub instances: u32,
    /// Connections that the kernel dropped because an accept queue was full, on the whole host.
    pub listen_overflows: u64,
}

/// What the server's processes used inside the measured window, as the operating system counts it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    pub cpu_s: f64,
    /// Peak resident set inside the window, summed over the processes, in bytes.
    pub peak_rss: u64,
    pub threads: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
}
