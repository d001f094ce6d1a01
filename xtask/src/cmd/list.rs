//! `cargo xtask list`

use std::path::Path;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};

use crate::config::manifest::{self, Manifest};
use crate::config::suggest;
use crate::config::workspace::Workspace;
use crate::server::build;

/// List the servers, their variants and what they need
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask list              every server
  cargo xtask list axum hyper   these two")]
pub struct Args {
    /// Servers to list (folders under servers/); all by default
    servers: Vec<String>,
}

pub fn run(args: Args, servers: Option<&Path>) -> anyhow::Result<ExitCode> {
    let servers = Workspace::find(servers)?.servers()?;
    let servers = manifest::select(servers, &args.servers, &[])?;
    println!("{}", table(&servers).trim_fmt());
    Ok(ExitCode::SUCCESS)
}

fn table(servers: &[Manifest]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["server", "variants", "language", "framework", "requires", "misses"]);
    for server in servers {
        let variants: Vec<&str> = server.variants.iter().map(|one| one.name.as_str()).collect();
        table.add_row([
            server.name.clone(),
            variants.join(", "),
            server.language.clone(),
            server.framework.name.clone(),
            requires(server),
            server.misses.len().to_string(),
        ]);
    }
    table
}

fn requires(server: &Manifest) -> String {
    let missing = build::missing(server);
    match missing.as_slice() {
        [] => "ok".to_owned(),
        missing => {
            let names: Vec<&str> = missing.iter().map(|one| one.program.as_str()).collect();
            format!("missing: {}", suggest::list(&names))
        }
    }
}
