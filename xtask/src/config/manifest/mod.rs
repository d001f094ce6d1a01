//! `servers/<name>/server.toml`: everything the harness knows of a server, whatever its language.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::config::suggest;
use crate::config::toml_file::{self, FileError, Invalid};

mod run;
mod select;

pub use run::RunValues;
pub use select::select;

const FILE: &str = "server.toml";

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
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    pub setting: String,
    pub default: String,
    pub value: String,
    pub why: String,
}

/// Every manifest under `servers`, sorted by name. A folder without one (the contract library) is
/// no server.
pub fn load_all(servers: &Path) -> anyhow::Result<Vec<Manifest>> {
    let cannot_list = || format!("cannot list the servers in {}", servers.display());
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(servers).with_context(cannot_list)? {
        let dir = entry.with_context(cannot_list)?.path();
        if dir.join(FILE).is_file() {
            manifests.push(load(&dir)?);
        }
    }
    anyhow::ensure!(
        !manifests.is_empty(),
        "there is no server in {}; a server is a folder with a {FILE}",
        servers.display()
    );
    manifests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(manifests)
}

fn load(dir: &Path) -> anyhow::Result<Manifest> {
    let file = dir.join(FILE);
    let source = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let mut manifest = parse(&file, &source)?;
    manifest.name = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .with_context(|| format!("{} has no name", dir.display()))?;
    manifest.dir = dir.to_owned();
    Ok(manifest)
}

fn parse(file: &Path, source: &str) -> Result<Manifest, FileError> {
    toml_file::parse(file, source, check)
}

/// What the types cannot say.
fn check(manifest: &Manifest) -> Result<(), Invalid> {
    let required = [
        (&["display"][..], &manifest.display),
        (&["language"], &manifest.language),
        (&["homepage"], &manifest.homepage),
        (&["framework", "name"], &manifest.framework.name),
        (&["other_threads"], &manifest.other_threads),
    ];
    for (path, value) in required {
        not_blank(path, value)?;
    }
    for (index, require) in manifest.requires.iter().enumerate() {
        let index = &index.to_string();
        not_blank(&["requires", index, "program"], &require.program)?;
        not_blank(&["requires", index, "get"], &require.get)?;
    }
    for (index, miss) in manifest.misses.iter().enumerate() {
        let index = &index.to_string();
        not_blank(&["misses", index, "case"], &miss.case)?;
        not_blank(&["misses", index, "reason"], &miss.reason)?;
    }
    for (index, tuning) in manifest.tuning.iter().enumerate() {
        not_blank(&["tuning", &index.to_string(), "why"], &tuning.why)?;
    }
    runnable(&["framework", "version"], &manifest.framework.version)?;
    if !manifest.build.is_empty() {
        runnable(&["build"], &manifest.build)?;
    }
    runnable(&["run"], &manifest.run)?;
    run::check(manifest)?;
    variants(&manifest.variants)
}

fn not_blank(path: &[&str], value: &str) -> Result<(), Invalid> {
    if value.trim().is_empty() {
        let key = path.last().copied().unwrap_or_default();
        return Err(Invalid::at(path, format!("`{key}` must not be empty")));
    }
    Ok(())
}

fn runnable(path: &[&str], argv: &[String]) -> Result<(), Invalid> {
    if argv.first().is_none_or(|program| program.is_empty()) {
        let message = format!(
            "`{}` names no program; write it as an argument vector, such as [\"node\", \"server.js\"]",
            path.join(".")
        );
        return Err(Invalid::at(path, message));
    }
    Ok(())
}

fn variants(variants: &[Variant]) -> Result<(), Invalid> {
    if variants.is_empty() {
        let message = "`variants` is empty; a server has at least one, named for its JSON codec";
        return Err(Invalid::at(&["variants"], message));
    }
    let mut names = HashSet::new();
    for (index, variant) in variants.iter().enumerate() {
        let path = ["variants", &index.to_string(), "name"];
        not_blank(&path, &variant.name)?;
        // `server/variant` and `a,b` are how variants are named on the command line.
        if variant.name.contains(['/', ',']) {
            let message = format!("`{}`: a name has no `/` and no `,`", variant.name);
            return Err(Invalid::at(&path, message));
        }
        if !names.insert(&variant.name) {
            let message = format!("two variants are named `{}`", variant.name);
            return Err(Invalid::at(&path, message));
        }
    }
    Ok(())
}

#[cfg(test)]
pub mod tests;
