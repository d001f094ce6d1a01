//! Where things are: the project's folder and cargo's target directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::Deserialize;

use crate::config::manifest::{self, Manifest};
use crate::config::suite::{self, Suite};

#[derive(Debug, Deserialize)]
pub struct Workspace {
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// What `{target}` stands for in a manifest.
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
    /// The folder that has a folder for each server.
    #[serde(skip)]
    servers: PathBuf,
}

impl Workspace {
    /// Asks cargo, as the target directory can be set in several places. `servers` is used instead
    /// of the project's own folder of that name.
    pub fn find(servers: Option<&Path>) -> anyhow::Result<Self> {
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .output()
            .context("cannot run `cargo metadata`; is cargo on PATH?")?;
        anyhow::ensure!(
            output.status.success(),
            "`cargo metadata` failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut workspace: Self = serde_json::from_slice(&output.stdout)
            .context("cannot read the output of `cargo metadata`")?;
        workspace.servers = match servers {
            Some(dir) => std::path::absolute(dir)?,
            None => workspace.root.join("servers"),
        };
        Ok(workspace)
    }

    /// The servers' folder when it is not the project's own.
    pub fn other_servers(&self) -> Option<&Path> {
        Some(&*self.servers).filter(|servers| *servers != self.root.join("servers"))
    }

    /// Every server's manifest, sorted by name.
    pub fn servers(&self) -> anyhow::Result<Vec<Manifest>> {
        manifest::load_all(&self.servers)
    }

    /// The suite named `name` of `bench.toml`.
    pub fn suite(&self, name: &str) -> anyhow::Result<Suite> {
        suite::load(&self.root.join("bench.toml"), name)
    }
}
