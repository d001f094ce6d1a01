//! The binary and the host: what the host cannot hold is refused before anything starts, and
//! connections come from where they are told to.

// In a test, what does not hold has to end it.
#![allow(clippy::unwrap_used)]

mod misbehave;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use driver::report::{Errors, Report};
use misbehave::{Peer, Server};

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// The ping scenario, for a moment, with eight connections.
fn ping(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
    run(command.args(["--scenario", "ping", "--json", "-c8", "-d100ms", "--timeout=5s"]).args(args))
}

#[track_caller]
fn without_errors(output: &Output) -> Report {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.errors_before, Errors::default());
    assert_eq!(report.errors, Errors::default());
    assert_eq!((report.connect.established, report.unanswered), (8, 0));
    assert!(report.requests > 0);
    report
}

#[track_caller]
fn refused(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty());
    stderr
}

fn answer_all(peer: &mut Peer) {
    while let Some(request) = peer.request() {
        peer.answer(&request);
    }
}

/// Where the connections came from, and how many from each address.
type Clients = Arc<Mutex<BTreeMap<IpAddr, u32>>>;

fn noting(clients: &Clients) -> impl Fn(&mut Peer) + Send + Sync + 'static {
    let clients = Arc::clone(clients);
    move |peer| {
        *clients.lock().unwrap().entry(peer.client()).or_default() += 1;
        answer_all(peer);
    }
}

#[track_caller]
fn expect_clients(clients: &Clients, expected: &[(&str, u32)]) {
    let expected =
        expected.iter().map(|(address, count)| (address.parse().unwrap(), *count)).collect();
    assert_eq!(*clients.lock().unwrap(), expected);
}

#[test]
fn a_server_on_ipv6_is_measured() {
    let server = Server::v6(answer_all);
    assert!(server.url().contains("[::1]"));
    let report = without_errors(&ping(&[&server.url()]));
    assert!(server.right() >= report.requests);
}

#[cfg(target_os = "linux")]
#[test]
fn connections_are_spread_over_the_sources_of_each_target() {
    let clients = Clients::default();
    let (one, other) = (Server::start(noting(&clients)), Server::start(noting(&clients)));
    let args = [&one.url(), &other.url(), "-t3", "--source", "127.0.0.2,127.0.0.8-127.0.0.9"];
    // The first of the three has one connection more to each target.
    without_errors(&ping(&args));
    assert_eq!((one.connections(), other.connections()), (4, 4));
    expect_clients(&clients, &[("127.0.0.2", 4), ("127.0.0.8", 2), ("127.0.0.9", 2)]);
}

#[test]
fn ipv6_has_sources_too() {
    let clients = Clients::default();
    let server = Server::v6(noting(&clients));
    without_errors(&ping(&[&server.url(), "--source", "::1"]));
    expect_clients(&clients, &[("::1", 8)]);
}

#[test]
fn a_source_of_the_other_kind_is_refused() {
    let server = Server::start(answer_all);
    let stderr = refused(&ping(&[&server.url(), "--source", "::1"]));
    assert!(stderr.contains("::1") && stderr.contains(&server.url()), "{stderr}");
    assert_eq!(server.connections(), 0);
}

/// No host has it: RFC 5737 keeps it for examples.
const NOT_LOCAL: &str = "192.0.2.1";

#[test]
fn a_source_that_is_not_of_this_host_is_refused() {
    let server = Server::start(answer_all);
    let stderr = refused(&ping(&[&server.url(), "--source", NOT_LOCAL]));
    assert!(stderr.contains(NOT_LOCAL), "{stderr}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn every_limit_is_named_not_only_the_first() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_driver")]);
    let stderr =
        refused(&run(shell.args(["http://127.0.0.1:1/", "-c40", "-t1", "--source", NOT_LOCAL])));
    for part in ["descriptors: 40 connections", "`ulimit -Hn 72`", "source: ", NOT_LOCAL] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}
