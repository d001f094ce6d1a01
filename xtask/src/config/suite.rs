//! `bench.toml`: the suites, and what a suite asks for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use driver::args::{duration, positive_duration};
use serde::{Deserialize, Deserializer};

use crate::config::suggest;
use crate::config::toml_file::{self, FileError, Invalid};

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    #[serde(skip)]
    pub name: String,
    pub scenario: String,
    /// Folders under `servers/`; empty means every one, so that a new server joins by itself.
    #[serde(default)]
    pub servers: Vec<String>,
    pub connections: Vec<u32>,
    /// Threads that serve requests.
    pub threads: Vec<u32>,
    /// Length of the measured window.
    #[serde(deserialize_with = "duration_value")]
    pub duration: Duration,
    /// Load before it; may be none.
    #[serde(deserialize_with = "warmup_value")]
    pub warmup: Duration,
    /// A request older than this is an error.
    #[serde(deserialize_with = "duration_value")]
    pub timeout: Duration,
    pub rounds: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suites {
    suites: BTreeMap<String, Suite>,
}

/// The suite named `name` of `file`.
pub fn load(file: &Path, name: &str) -> anyhow::Result<Suite> {
    let source =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut suites = parse(file, &source)?;
    let Some(suite) = suites.remove(name) else {
        let names: Vec<&str> = suites.keys().map(String::as_str).collect();
        let hint = suggest::hint(name, &names);
        anyhow::bail!("there is no suite `{name}` in {}; {hint}", file.display());
    };
    Ok(suite)
}

fn parse(file: &Path, source: &str) -> Result<BTreeMap<String, Suite>, FileError> {
    let mut suites = toml_file::parse(file, source, check)?.suites;
    for (name, suite) in &mut suites {
        suite.name.clone_from(name);
    }
    Ok(suites)
}

/// What the types cannot say.
fn check(file: &Suites) -> Result<(), Invalid> {
    for (name, suite) in &file.suites {
        let scenarios = driver::scenario::NAMES;
        if !scenarios.contains(&suite.scenario.as_str()) {
            let hint = suggest::hint(&suite.scenario, &scenarios);
            let message = format!("there is no scenario `{}`; {hint}", suite.scenario);
            return Err(Invalid::at(&["suites", name, "scenario"], message));
        }
        at_least_one(name, "connections", &suite.connections)?;
        at_least_one(name, "threads", &suite.threads)?;
        if suite.rounds == 0 {
            let message = "`rounds` must be at least 1";
            return Err(Invalid::at(&["suites", name, "rounds"], message));
        }
    }
    Ok(())
}

fn at_least_one(suite: &str, key: &str, values: &[u32]) -> Result<(), Invalid> {
    if values.is_empty() {
        let message = format!("`{key}` is empty; a suite measures at least one");
        return Err(Invalid::at(&["suites", suite, key], message));
    }
    if let Some(index) = values.iter().position(|value| *value == 0) {
        let path = ["suites", suite, key, &index.to_string()];
        return Err(Invalid::at(&path, format!("`{key}` must be at least 1")));
    }
    Ok(())
}

fn duration_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    positive_duration(&text).map_err(serde::de::Error::custom)
}

fn warmup_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[suites.default]
scenario = "ping"
connections = [2, 400]
threads = [1]
duration = "3s"
warmup = "500ms"
timeout = "10s"
rounds = 6
"#;

    fn error(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        parse(Path::new("bench.toml"), &GOOD.replacen(from, to, 1))
            .expect_err("the suite is wrong")
            .to_string()
    }

    #[test]
    fn the_shipped_suites_are_good() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench.toml");
        let default = load(&file, "default").expect("shipped");
        assert_eq!(default.connections, [2, 400, 20_000]);
        assert!(load(&file, "quick").expect("shipped").servers.is_empty());
    }

    #[test]
    fn an_unknown_suite_suggests_the_near_one() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench.toml");
        let error = load(&file, "qiuck").expect_err("there is none").to_string();
        assert!(error.ends_with("did you mean `quick`?"), "{error}");
    }

    #[test]
    fn a_wrong_suite_is_located() {
        insta::assert_snapshot!(error("400", "0"), @"
        bench.toml:4:19: `connections` must be at least 1
          |
        4 | connections = [2, 0]
          |                   ^
        ");
        insta::assert_snapshot!(error("[1]", "[]"), @"
        bench.toml:5:11: `threads` is empty; a suite measures at least one
          |
        5 | threads = []
          |           ^^
        ");
        insta::assert_snapshot!(error("6", "0"), @"
        bench.toml:9:10: `rounds` must be at least 1
          |
        9 | rounds = 0
          |          ^
        ");
        insta::assert_snapshot!(error("400", "-4"), @"
        bench.toml:4:19: `suites.default.connections[1]`: invalid value: integer `-4`, expected a whole number
          |
        4 | connections = [2, -4]
          |                   ^^
        ");
        insta::assert_snapshot!(error("\"3s\"", "\"0s\""), @r#"
        bench.toml:6:12: `suites.default.duration`: must be longer than 0
          |
        6 | duration = "0s"
          |            ^^^^
        "#);
        insta::assert_snapshot!(error("\"3s\"", "\"fast\""), @r#"
        bench.toml:6:12: `suites.default.duration`: expected a length of time such as 10s, 500ms or 2m
          |
        6 | duration = "fast"
          |            ^^^^^^
        "#);
        insta::assert_snapshot!(error("\"3s\"", "3"), @"
        bench.toml:6:12: `suites.default.duration`: invalid type: integer `3`, expected a string
          |
        6 | duration = 3
          |            ^
        ");
        insta::assert_snapshot!(error("\"ping\"", "\"pong\""), @r#"
        bench.toml:3:12: there is no scenario `pong`; did you mean `ping`?
          |
        3 | scenario = "pong"
          |            ^^^^^^
        "#);
        insta::assert_snapshot!(error("rounds", "round"), @"
        bench.toml:9:1: unknown key `round`; did you mean `rounds`?
          |
        9 | round = 6
          | ^^^^^
        ");
        insta::assert_snapshot!(error("timeout = \"10s\"\n", ""), @"
        bench.toml:2:1: missing key `timeout` in `suites.default`
          |
        2 | [suites.default]
          | ^^^^^^^^^^^^^^^^
        ");
        insta::assert_snapshot!(error("[suites.default]", "[suite.default]"), @"
        bench.toml:2:2: unknown key `suite`; did you mean `suites`?
          |
        2 | [suite.default]
          |  ^^^^^
        ");
    }
}
