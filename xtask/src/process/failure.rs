//! Why a server was not built, started or checked.

use std::fmt;

use crate::process::interrupt::Interrupted;
use crate::results::record::Problem;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing is wrong with the server; the user wants to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("{0}")]
    Problem(Problem),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// The message, and below it what the program said, set off.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for line in self.stderr_tail.trim_end().lines() {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
