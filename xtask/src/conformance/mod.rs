//! Does the server at an address do what the scenario's contract asks? Checked over raw sockets.
//!
//! What a scenario asks is known to the scenario's own module only; here a case is a name, a level
//! and a function.

mod exchange;
mod ping;
pub mod table;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;
use std::{panic, thread};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::manifest::Miss;
use exchange::Failure;

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

/// What a server is asked to do.
struct Scenario {
    name: &'static str,
    /// In the order of the tables: required ones first.
    cases: &'static [Case],
    /// One correct exchange, each wait in it no longer than the given time.
    ready: fn(SocketAddr, Duration) -> Result<(), NotReady>,
}

/// One thing that a scenario's contract asks.
struct Case {
    name: &'static str,
    level: Level,
    turn: Turn,
    /// Says what was seen instead when the case does not hold.
    run: fn(SocketAddr) -> Result<(), String>,
}

impl Case {
    fn miss(&self, address: SocketAddr) -> Option<String> {
        (self.run)(address).err()
    }
}

/// When a case may run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Together with others: nothing in it can harm a server that does the happy path.
    Together,
    /// After all those, by itself: it could end the server, and then only it should be blamed.
    Alone,
}

static SCENARIOS: &[Scenario] = &[ping::SCENARIO];

/// The names of all scenarios.
pub fn scenarios() -> &'static [&'static str] {
    static NAMES: &[&str] = &[ping::SCENARIO.name];
    NAMES
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no scenario `{0}`; there is: {list}", list = scenarios().join(", "))]
pub struct UnknownScenario(String);

fn scenario(name: &str) -> Result<&'static Scenario, UnknownScenario> {
    SCENARIOS
        .iter()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| UnknownScenario(name.to_owned()))
}

/// Why a server is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotReady {
    /// Nothing was answered: refused, silent or closed. A server that is still starting does this,
    /// so asking again makes sense.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// It answers, and wrongly: asking again will not help.
    #[error("starts but answers wrongly: {0}")]
    Wrong(String),
    #[error(transparent)]
    Scenario(#[from] UnknownScenario),
}

impl From<Failure> for NotReady {
    fn from(failure: Failure) -> Self {
        if failure.answered() {
            Self::Wrong(failure.to_string())
        } else {
            Self::NoAnswer(failure.to_string())
        }
    }
}

/// Asks once, on a new connection; `Ok` when the answer is correct. `timeout` bounds the connect
/// and the answer each.
pub fn ready(name: &str, address: SocketAddr, timeout: Duration) -> Result<(), NotReady> {
    (scenario(name)?.ready)(address, timeout)
}

/// Runs every case of the scenario against a server that is ready. The results are in the order of
/// the tables; `misses` are what the server's manifest declares.
pub fn check(
    name: &str,
    address: SocketAddr,
    misses: &[Miss],
) -> Result<Vec<CaseResult>, UnknownScenario> {
    let cases = scenario(name)?.cases;
    let mut misses_together: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = cases
            .iter()
            .map(|case| (case.turn == Turn::Together).then(|| scope.spawn(|| case.miss(address))))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.map(|t| t.join().unwrap_or_else(|p| panic::resume_unwind(p))))
            .collect()
    });
    Ok(cases
        .iter()
        .zip(&mut misses_together)
        .map(|(case, miss)| CaseResult {
            case: case.name.to_owned(),
            level: case.level,
            miss: miss.take().unwrap_or_else(|| case.miss(address)),
            declared: misses
                .iter()
                .find(|miss| miss.case == case.name)
                .map(|miss| miss.reason.clone()),
        })
        .collect())
}

/// What is wrong with a server, its contract and its manifest taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// Misses that keep the server from being measured; declaring one does not excuse it.
    pub required: Vec<&'a CaseResult>,
    /// Misses of scored cases that the manifest does not declare.
    pub undeclared: Vec<&'a CaseResult>,
    /// Cases that hold although the manifest declares a miss.
    pub stale: Vec<&'a CaseResult>,
    pub unknown: Vec<UnknownCase<'a>>,
}

/// A name in a manifest's `misses` that is no case of any scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCase<'a> {
    pub name: &'a str,
    /// The case that was probably meant.
    pub near: Option<&'static str>,
}

/// Judges what [`check`] found against what the manifest declares.
pub fn judge<'a>(results: &'a [CaseResult], misses: &'a [Miss]) -> Verdict<'a> {
    let mut verdict = Verdict::default();
    for result in results {
        match (&result.miss, result.level, &result.declared) {
            (Some(_), Level::Required, _) => verdict.required.push(result),
            (Some(_), Level::Scored, None) => verdict.undeclared.push(result),
            (None, _, Some(_)) => verdict.stale.push(result),
            (Some(_), Level::Scored, Some(_)) | (None, _, None) => {}
        }
    }
    let names = || SCENARIOS.iter().flat_map(|s| s.cases).map(|case| case.name);
    verdict.unknown = misses
        .iter()
        .filter(|miss| !names().any(|name| name == miss.case))
        .map(|miss| UnknownCase {
            name: &miss.case,
            near: names()
                .map(|name| (strsim::normalized_damerau_levenshtein(name, &miss.case), name))
                // Below this, a suggestion is more puzzling than none.
                .filter(|(likeness, _)| *likeness >= 0.5)
                .max_by(|(a, _), (b, _)| a.total_cmp(b))
                .map(|(_, name)| name),
        })
        .collect();
    verdict
}

impl Verdict<'_> {
    /// Whether the server may be measured.
    pub fn measurable(&self) -> bool {
        self.required.is_empty()
    }

    /// Each thing that is wrong, in one line that says what to do about it. When contract, server and
    /// manifest agree there is none; `verify` fails when there is one.
    pub fn problems(&self) -> Vec<String> {
        let seen = |result: &CaseResult| result.miss.clone().unwrap_or_default();
        let required = self.required.iter().map(|result| {
            format!(
                "misses `{}`, which is required, so it is not measured: {}",
                result.case,
                seen(result)
            )
        });
        let undeclared = self.undeclared.iter().map(|result| {
            format!(
                "misses `{}`: {}; fix it, or declare it with the reason under [[misses]] in server.toml",
                result.case,
                seen(result)
            )
        });
        let stale = self.stale.iter().map(|result| {
            format!(
                "does `{}`, which server.toml declares as missed; remove it from [[misses]]",
                result.case
            )
        });
        let unknown = self.unknown.iter().map(|unknown| {
            let hint = match unknown.near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`cargo xtask verify` lists the cases".to_owned(),
            };
            format!("server.toml declares a miss of `{}`, which is no case; {hint}", unknown.name)
        });
        required.chain(undeclared).chain(stale).chain(unknown).collect()
    }
}
