//! The servers: what each does of the contract, its framework, and what is tuned.

use crate::config::manifest::Tuning;
use crate::conformance::{CaseResult, table};
use crate::report::table::Align::Left;
use crate::report::table::Table;
use crate::results::record::Run;

pub fn conformance(run: &Run) -> String {
    let results: Vec<(String, Vec<CaseResult>)> = run
        .servers
        .iter()
        .flat_map(|server| server.variants.iter().map(move |variant| (server, variant)))
        .filter(|(_, variant)| !variant.conformance.is_empty())
        .map(|(server, variant)| {
            let label = format!("{}/{}", server.name, variant.name);
            (label, variant.conformance.clone())
        })
        .collect();
    if results.is_empty() {
        return String::new();
    }
    format!(
        "\n## Conformance\n\n\
         What each server does of the contract, checked before it was measured. Required cases come \
         first; without them a server is not measured.\n\n{}",
        table::markdown(&results)
    )
}

pub fn servers(run: &Run) -> String {
    let mut table = Table::new([
        ("Server", Left),
        ("Language", Left),
        ("Framework", Left),
        ("Version", Left),
        ("Variants", Left),
        ("Threads besides", Left),
    ]);
    let mut tuning = Table::new([
        ("Server", Left),
        ("Setting", Left),
        ("The framework's default", Left),
        ("Here", Left),
        ("Why", Left),
    ]);
    for server in &run.servers {
        let variants: Vec<&str> = server.variants.iter().map(|v| v.name.as_str()).collect();
        let version = match server.version.as_str() {
            "" => "unknown",
            version => version,
        };
        table.row([
            server.display.clone(),
            server.language.clone(),
            server.framework.clone(),
            version.to_owned(),
            variants.join(", "),
            server.other_threads.clone(),
        ]);
        for Tuning { setting, default, value, why } in &server.tuning {
            let name = server.display.clone();
            tuning.row([name, setting.clone(), default.clone(), value.clone(), why.clone()]);
        }
    }
    format!(
        "\n## Servers\n\n{}\nWhat is not the framework's default:\n\n{}",
        table.render(),
        tuning.render()
    )
}
