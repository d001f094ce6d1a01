//! `servers/<name>/server.toml`: everything the harness knows of a server, whatever its language.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The folder's name under `servers/`; what `--servers` takes.
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    pub dir: PathBuf,
    /// The name shown in tables.
    pub display: String,
    pub language: String,
    pub homepage: String,
    pub framework: Framework,
    /// Programs that must be on `PATH`.
    #[serde(default)]
    pub requires: Vec<Require>,
    /// Argument vector, run in the server's folder; absent when there is nothing to build.
    #[serde(default)]
    pub build: Vec<String>,
    /// Argument vector, run in the server's folder. No shell.
    pub run: Vec<String>,
    pub variants: Vec<Variant>,
    /// Threads that exist besides the `--threads` that serve requests.
    pub other_threads: String,
    #[serde(default)]
    pub misses: Vec<Miss>,
    #[serde(default)]
    pub tuning: Vec<Tuning>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    pub name: String,
    /// Argument vector, run in the server's folder after the build; the last thing in its output
    /// that looks like a version is the version.
    pub version: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Require {
    pub program: String,
    /// How to get it: a command or an address.
    pub get: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    pub name: String,
    /// What `{json}` stands for in `run`.
    pub json: String,
}

/// A conformance case that this server is known to fail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Miss {
    pub case: String,
    pub reason: String,
}

/// A setting that differs from the framework's default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    pub setting: String,
    pub default: String,
    pub value: String,
    pub why: String,
}
