//! The figures that this project took its style from, measured with wrk on another machine and
//! kept as data in `results/seed/seed.json`. They are shown for orientation, never compared.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::table::Align::{Left, Right};
use super::table::{Table, escape};
use crate::text::{plural, thousands};

const DATA: &str = include_str!("../../../results/seed/seed.json");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    pub scenario: String,
    source: String,
    hardware: String,
    tool: String,
    /// How the figures are written.
    #[serde(rename = "conventions")]
    _conventions: String,
    servers: Vec<Server>,
    rows: Vec<Row>,
    /// What `top` showed during one of the runs.
    #[serde(rename = "top")]
    _top: serde_json::Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    name: String,
    bytes_per_response: u32,
    /// In what its work differed from the others'.
    not_equivalent: String,
}

/// One wrk run; figures with a unit as wrk printed them.
#[derive(Debug, Deserialize)]
struct Row {
    server: String,
    connections: u32,
    wrk_threads: u32,
    duration: String,
    latency: Latency,
    requests: u64,
    socket_errors: SocketErrors,
    requests_per_s: f64,
    transfer_per_s: String,
}

#[derive(Debug, Deserialize)]
struct Latency {
    avg: String,
    stdev: String,
    max: String,
    p50: String,
    p75: String,
    p90: String,
    p99: String,
}

#[derive(Debug, Deserialize)]
struct SocketErrors {
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
}

impl SocketErrors {
    fn list(&self) -> String {
        let named = [
            ("connect", self.connect),
            ("read", self.read),
            ("write", self.write),
            ("timeout", self.timeout),
        ];
        let list: Vec<String> = named
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {}", thousands(count as f64)))
            .collect();
        if list.is_empty() { "0".into() } else { list.join(", ") }
    }
}

/// Reads the data that this program was built with.
pub fn load() -> serde_json::Result<Seed> {
    serde_json::from_str(DATA)
}

/// One table per number of connections, the fastest first.
pub fn render(seed: &Seed) -> String {
    let mut text = format!(
        "**Another machine, other servers, another tool: not to be compared with the tables above.** \
         They are here to show the orders of magnitude, and what the layout is taken from.\n\n\
         - Source: {}\n- Hardware: {}\n- Tool: {}\n",
        escape(&seed.source),
        escape(&seed.hardware),
        escape(&seed.tool)
    );
    let levels: BTreeSet<u32> = seed.rows.iter().map(|row| row.connections).collect();
    for connections in levels {
        let mut rows: Vec<&Row> =
            seed.rows.iter().filter(|row| row.connections == connections).collect();
        rows.sort_by(|a, b| b.requests_per_s.total_cmp(&a.requests_per_s));
        let threads = rows.first().map_or(0, |row| row.wrk_threads);
        text += &format!(
            "\n### Elsewhere: {}, {}\n\n{}",
            plural(connections, "connection"),
            plural(threads, "wrk thread"),
            table(&rows)
        );
    }
    text += "\nWhat was not equivalent there:\n\n";
    for server in &seed.servers {
        text += &format!(
            "- {}: {}; {} bytes per response\n",
            escape(&server.name),
            escape(&server.not_equivalent),
            server.bytes_per_response
        );
    }
    text
}

fn table(rows: &[&Row]) -> String {
    let mut table = Table::new([
        ("Server", Left),
        ("Requests/s", Right),
        ("Transfer/s", Right),
        ("Mean", Right),
        ("Stdev", Right),
        ("Max", Right),
        ("50 %", Right),
        ("75 %", Right),
        ("90 %", Right),
        ("99 %", Right),
        ("Socket errors", Right),
        ("Requests", Right),
        ("Run", Right),
    ]);
    for row in rows {
        let latency = &row.latency;
        table.row([
            row.server.clone(),
            thousands(row.requests_per_s),
            row.transfer_per_s.clone(),
            latency.avg.clone(),
            latency.stdev.clone(),
            latency.max.clone(),
            latency.p50.clone(),
            latency.p75.clone(),
            latency.p90.clone(),
            latency.p99.clone(),
            row.socket_errors.list(),
            thousands(row.requests as f64),
            row.duration.clone(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_holds_the_published_figures() {
        let seed = load().expect("the file is part of the source");
        assert_eq!(seed.rows.len(), 14);
        let rates: Vec<(&str, u32, f64)> = seed
            .rows
            .iter()
            .map(|row| (row.server.as_str(), row.connections, row.requests_per_s))
            .collect();
        assert_eq!(
            rates,
            [
                ("Ichor + Boost.BEAST", 2, 67194.72),
                ("Ichor + Boost.BEAST", 400, 87048.80),
                ("Ichor + Boost.BEAST", 20000, 72971.55),
                ("Boost.BEAST http_server_fast", 2, 41397.00),
                ("Boost.BEAST http_server_fast", 400, 73975.13),
                ("Boost.BEAST http_server_fast", 20000, 37311.37),
                ("Express", 2, 15101.66),
                ("Express", 20000, 13118.38),
                ("Drogon", 2, 132285.77),
                ("Drogon", 400, 132936.53),
                ("Drogon", 20000, 117676.17),
                ("fasthttp + go-json", 2, 165747.41),
                ("fasthttp + go-json", 400, 170028.45),
                ("fasthttp + go-json", 20000, 123741.19),
            ]
        );
        let drogon = &seed.rows[10];
        assert_eq!(drogon.latency.max, "1.98s");
        assert_eq!(drogon.latency.p99, "68.04ms");
        assert_eq!(drogon.requests, 1_185_278);
        assert_eq!(drogon.socket_errors.list(), "read 2,094, timeout 120");
        let servers: BTreeSet<&str> = seed.servers.iter().map(|s| s.name.as_str()).collect();
        assert!(seed.rows.iter().all(|row| servers.contains(&*row.server)));
    }

    #[test]
    fn the_tables_name_the_machine_and_warn() {
        let text = render(&load().expect("the file is part of the source"));
        assert!(text.contains("AMD 7950X, 6000MHz@CL38 RAM, ubuntu 22.04, gcc 11.3"));
        assert!(text.contains("not to be compared"));
        for level in ["2", "400", "20,000"] {
            assert!(text.contains(&format!("### Elsewhere: {level} connections")));
        }
    }
}
