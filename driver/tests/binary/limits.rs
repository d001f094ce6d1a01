//! The binary and the host: what the host cannot hold is refused before anything starts, and
//! connections come from where they are told to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use driver::report::{Errors, Report};

use crate::misbehave::{Peer, Server};
use crate::support::*;

/// The ping scenario, for a moment, with eight connections.
fn ping(args: &[&str]) -> Ended {
    let common = ["--scenario", "ping", "--json", "-c8", "-d100ms", "--timeout=5s"];
    run(&[&common[..], args].concat())
}

#[track_caller]
fn without_errors(ended: &Ended) -> Report {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = ended.report();
    assert_eq!(report.errors_before, Errors::default());
    assert_eq!(report.errors, Errors::default());
    assert_eq!(report.connect.established, report.config.connections);
    assert_eq!(report.unanswered, 0);
    assert!(report.requests > 0);
    report
}

#[track_caller]
fn refused(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    &ended.stderr
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
    let ended = ping(&[&server.url(), "--source", "::1"]);
    let stderr = refused(&ended);
    assert!(stderr.contains("::1") && stderr.contains(&server.url()), "{stderr}");
    assert_eq!(server.connections(), 0);
}

/// No host has it: RFC 5737 keeps it for examples.
const NOT_LOCAL: &str = "192.0.2.1";

#[test]
fn a_source_that_is_not_of_this_host_is_refused() {
    let server = Server::start(answer_all);
    let ended = ping(&[&server.url(), "--source", NOT_LOCAL]);
    let stderr = refused(&ended);
    assert!(stderr.contains(NOT_LOCAL), "{stderr}");
    assert_eq!(server.connections(), 0);
}

/// The driver where one table holds 64 descriptors.
fn with_few_descriptors(args: &[&str]) -> Ended {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_driver")]);
    shell.args(args);
    ended(spawn(shell))
}

#[test]
fn every_limit_is_named_not_only_the_first() {
    let args = ["http://127.0.0.1:1/", "-c40", "-t1", "--source", NOT_LOCAL];
    let ended = with_few_descriptors(&args);
    for part in ["descriptors: 40 connections", "`ulimit -Hn 72`", "source: ", NOT_LOCAL] {
        assert!(refused(&ended).contains(part), "{part}: {}", ended.stderr);
    }
}

#[test]
fn more_connections_than_descriptors_is_an_error_that_says_what_would_help() {
    let server = good();
    let ended = with_few_descriptors(&[&server.url(), "-c", "40", "-t", "1"]);
    assert_eq!(ended.code, Some(2));
    for part in ["40 connections", "hard limit is 64", "`ulimit -Hn 72`"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert_eq!(server.connections(), 0);
    if cfg!(target_os = "linux") {
        assert!(ended.stderr.contains("`-t 2` would do"), "{}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn each_thread_has_a_table_of_its_own() {
    let server = good();
    let args = ["--json", "--scenario", "ping", "-d100ms", "-c60", "-t2"];
    let ended = with_few_descriptors(&[&[&server.url()[..]], &args[..]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = ended.report();
    assert_eq!(report.connect.established, 60);
    assert_eq!(report.errors, Errors::default());
    assert_eq!(report.errors_before, Errors::default());
}
