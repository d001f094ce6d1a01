//! Where things are: the project's folder and cargo's target directory.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::Deserialize;

use crate::manifest::{self, Manifest};
use crate::suite::{self, Suite};

#[derive(Debug, Deserialize)]
pub struct Workspace {
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// What `{target}` stands for in a manifest.
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
}

impl Workspace {
    /// Asks cargo, as the target directory can be set in several places.
    pub fn find() -> anyhow::Result<Self> {
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
        serde_json::from_slice(&output.stdout).context("cannot read the output of `cargo metadata`")
    }

    /// Every server's manifest, sorted by name.
    pub fn servers(&self) -> anyhow::Result<Vec<Manifest>> {
        manifest::load_all(&self.root.join("servers"))
    }

    /// The suite named `name` of `bench.toml`.
    pub fn suite(&self, name: &str) -> anyhow::Result<Suite> {
        suite::load(&self.root.join("bench.toml"), name)
    }
}
