//! `cargo xtask doctor`

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};

use crate::config::manifest::Manifest;
use crate::config::workspace::Workspace;
use crate::host::capacity::{Capacity, RESERVE};
use crate::host::placement::Placement;
use crate::host::{Host, cpu, net};
use crate::server::build;
use crate::text::plural;

/// What the Rust servers ask of `listen`.
const BACKLOG: u64 = 4096;

/// Say whether this machine is ready, and what would make it better
///
/// Each line is `ok`, `warn` (the figures are worse or fewer) or `bad` (bench cannot run), with what
/// to do about it. Exits with 1 when a line is `bad`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask doctor
  taskset -c 0,1 cargo xtask doctor   as if there were two CPUs")]
pub struct Args {}

pub fn run(_: Args, servers: Option<&Path>) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find(servers)?;
    let suite = workspace.suite("default")?;
    let servers = workspace.servers()?;
    let host = Host::read(&workspace.root);
    let connections = suite.connections.iter().copied().max().unwrap_or(1);
    let threads = suite.threads.iter().copied().max().unwrap_or(1);
    let placement = Placement::new(&cpu::allowed(), &host.cores, threads);

    let mut findings = toolchains(&servers);
    findings.push(descriptors(&host, connections));
    findings.push(accept_queue(&host));
    findings.push(ports(connections));
    findings.extend(cpus(&placement));
    findings.push(governor(&host));
    findings.push(virtualisation(&host));
    findings.push(load(&host));
    findings.push(steal(&host));
    findings.push(wrk(build::on_path("wrk")));

    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for Finding { mark, about, text } in &findings {
        table.add_row([&mark.to_string(), about, text]);
    }
    println!("{}", table.trim_fmt());
    match findings.iter().any(|finding| finding.mark == Mark::Bad) {
        true => Ok(ExitCode::FAILURE),
        false => Ok(ExitCode::SUCCESS),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Ok,
    Warn,
    Bad,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        })
    }
}

#[derive(Debug)]
struct Finding {
    mark: Mark,
    about: String,
    text: String,
}

fn finding(mark: Mark, about: impl Into<String>, text: impl Into<String>) -> Finding {
    Finding { mark, about: about.into(), text: text.into() }
}

fn toolchains(servers: &[Manifest]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = servers
        .iter()
        .map(|server| {
            let missing: Vec<String> = build::missing(server)
                .iter()
                .map(|require| {
                    format!("`{}` is not on PATH; get it: {}", require.program, require.get)
                })
                .collect();
            match missing.is_empty() {
                true => finding(Mark::Ok, &server.name, "everything it requires is there"),
                false => finding(Mark::Warn, &server.name, missing.join("; ")),
            }
        })
        .collect();
    if findings.iter().all(|finding| finding.mark != Mark::Ok) {
        let text = "none can be built; get what at least one of them requires";
        findings.push(finding(Mark::Bad, "servers", text));
    }
    findings
}

fn descriptors(host: &Host, connections: u32) -> Finding {
    const RAISE: &str = "to raise it: `ulimit -Hn` as root, LimitNOFILE= of the service, or \
                         --ulimit nofile= of the container";
    let about = "descriptors";
    let Some(limits) = host.descriptors else {
        return finding(Mark::Warn, about, "the limit cannot be read");
    };
    let (soft, hard) = (limits.soft, limits.hard);
    if hard <= RESERVE {
        let text = format!("hard limit {hard}; a server needs more than {RESERVE}; {RAISE}");
        return finding(Mark::Bad, about, text);
    }
    let limits = format!("soft limit {soft} (raised to the hard one as needed), hard limit {hard}");
    let capacity = Capacity { descriptors: hard, ..Capacity::of_host() };
    match (capacity.instances(connections), capacity.driver_threads(connections, 1)) {
        (1, 1) => finding(Mark::Ok, about, limits),
        (instances, threads) => {
            let text = format!(
                "{limits}: {connections} connections take {} and {}; {RAISE}",
                plural(instances, "server instance"),
                plural(threads, "driver thread")
            );
            finding(Mark::Warn, about, text)
        }
    }
}

fn accept_queue(host: &Host) -> Finding {
    let about = "accept queue";
    let somaxconn = host.sysctls.get("net.core.somaxconn");
    match somaxconn.and_then(|text| text.parse::<u64>().ok()) {
        Some(limit) if limit >= BACKLOG => {
            finding(Mark::Ok, about, format!("net.core.somaxconn is {limit}"))
        }
        Some(limit) => {
            let text = format!(
                "net.core.somaxconn is {limit} and cuts the servers' backlog of {BACKLOG}, so \
                 connecting is slower; raise it: sysctl -w net.core.somaxconn={BACKLOG}"
            );
            finding(Mark::Warn, about, text)
        }
        None => finding(Mark::Warn, about, "net.core.somaxconn cannot be read"),
    }
}

fn ports(connections: u32) -> Finding {
    let about = "client ports";
    let Some(range) = net::ephemeral_ports() else {
        return finding(Mark::Warn, about, "net.ipv4.ip_local_port_range cannot be read");
    };
    let (count, first, last) = (range.len(), range.start(), range.end());
    let text = format!("{count} for each server port ({first} to {last})");
    if count >= connections as usize {
        return finding(Mark::Ok, about, text);
    }
    let text = format!(
        "{text}, fewer than {connections} connections; widen the range: sysctl -w \
         net.ipv4.ip_local_port_range=\"32768 60999\""
    );
    finding(Mark::Warn, about, text)
}

fn cpus(placement: &Placement) -> Vec<Finding> {
    let Placement { server, driver, .. } = placement;
    let text = format!("server on {server:?}, driver on {driver:?}");
    let placed = finding(Mark::Ok, "CPUs", text);
    let warnings = placement.warnings.iter();
    std::iter::once(placed)
        .chain(warnings.map(|warning| finding(Mark::Warn, "CPUs", warning)))
        .collect()
}

fn governor(host: &Host) -> Finding {
    let about = "governor";
    match host.governor.as_deref() {
        None => finding(Mark::Ok, about, "none exposed"),
        Some("performance") => finding(Mark::Ok, about, "performance"),
        Some(other) => {
            let text = format!(
                "{other}: the clock changes with the load, and the figures with it; \
                 cpupower frequency-set -g performance"
            );
            finding(Mark::Warn, about, text)
        }
    }
}

fn virtualisation(host: &Host) -> Finding {
    let about = "virtualisation";
    match &host.virtualisation {
        None => finding(Mark::Ok, about, "none seen"),
        Some(name) => {
            let text = format!(
                "{name}: the neighbours' load is in the figures; trust intervals and ranks, not \
                 single figures"
            );
            finding(Mark::Warn, about, text)
        }
    }
}

fn load(host: &Host) -> Finding {
    /// Of one CPU: the desktop or daemons that are always there.
    const QUIET: f32 = 0.5;
    let about = "load average";
    match host.load_average {
        Some([one, ..]) if one > QUIET => {
            let text = format!("{one:.2} in the last minute; end other programs before measuring");
            finding(Mark::Warn, about, text)
        }
        Some([one, ..]) => finding(Mark::Ok, about, format!("{one:.2} in the last minute")),
        None => finding(Mark::Warn, about, "cannot be read"),
    }
}

fn steal(host: &Host) -> Finding {
    /// Percent; a tenth of the difference between servers that a run can resolve.
    const NOTICEABLE: f64 = 0.5;
    let about = "steal";
    let Some(percent) = host.steal_percent else {
        return finding(Mark::Warn, about, "cannot be read");
    };
    let text = format!("the hypervisor gave {percent:.2} % of the CPU time since boot to others");
    match percent > NOTICEABLE {
        true => finding(Mark::Warn, about, format!("{text}; measure when it is quieter")),
        false => finding(Mark::Ok, about, text),
    }
}

fn wrk(installed: bool) -> Finding {
    match installed {
        true => finding(Mark::Ok, "wrk", "installed, for crosscheck"),
        false => finding(
            Mark::Warn,
            "wrk",
            "not on PATH, so that crosscheck cannot run; get it: apt-get install wrk",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::manifest::tests::manifest;
    use crate::host::Descriptors;

    fn host() -> Host {
        Host {
            cpu_model: None,
            cores: Vec::new(),
            kernel: None,
            memory: None,
            descriptors: None,
            sysctls: Default::default(),
            governor: None,
            virtualisation: None,
            load_average: None,
            steal_s: None,
            steal_percent: None,
            rustc: None,
            commit: None,
            dirty: None,
            changes: None,
        }
    }

    #[test]
    fn a_low_descriptor_limit_costs_instances_and_a_tiny_one_everything() {
        for (hard, mark, said) in [
            (1 << 20, Mark::Ok, "hard limit 1048576"),
            (20_000, Mark::Warn, "take 2 server instances and 2 driver threads"),
            (RESERVE, Mark::Bad, "LimitNOFILE"),
        ] {
            let mut host = host();
            host.descriptors = Some(Descriptors { soft: 32, hard });
            let finding = descriptors(&host, 20_000);
            assert_eq!(finding.mark, mark);
            assert!(finding.text.contains(said), "{finding:?}");
        }
    }

    #[test]
    fn servers_that_lack_something_are_left_out_until_none_is_left() {
        let good = {
            let mut server = manifest("good", &["a"]);
            server.requires.clear();
            server
        };
        let mut lacking = manifest("lacking", &["a"]);
        lacking.requires[0].program = "no-such-program-anywhere".to_owned();
        let marks = |servers: &[Manifest]| -> Vec<Mark> {
            toolchains(servers).iter().map(|finding| finding.mark).collect()
        };
        assert_eq!(marks(&[good, lacking.clone()]), [Mark::Ok, Mark::Warn]);
        assert_eq!(marks(&[lacking]), [Mark::Warn, Mark::Bad]);
    }

    #[test]
    fn a_host_that_says_nothing_is_not_bad() {
        let host = host();
        let findings = [
            descriptors(&host, 20_000),
            accept_queue(&host),
            governor(&host),
            virtualisation(&host),
            load(&host),
            steal(&host),
        ];
        assert!(findings.iter().all(|finding| finding.mark != Mark::Bad));
    }

    #[test]
    fn a_short_accept_queue_and_a_slow_governor_say_what_to_do() {
        let mut host = host();
        host.sysctls.insert("net.core.somaxconn".to_owned(), "128".to_owned());
        host.governor = Some("powersave".to_owned());
        assert!(accept_queue(&host).text.contains("sysctl -w net.core.somaxconn=4096"));
        assert!(governor(&host).text.contains("cpupower"));
    }
}
