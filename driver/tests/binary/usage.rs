//! What a user sees: output, events, interrupts, and errors that say what would be right.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use driver::report::{Errors, Report};
use jiff::Timestamp;

use crate::misbehave::{Peer, Server};
use crate::support::*;

#[test]
fn text_is_wrks_layout() {
    let server = good();
    let ended = run(&[&server.url(), "-c4", "-d100ms"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.starts_with("Running 0.1s test @ http://"), "{}", ended.stdout);
    assert!(ended.stdout.contains("Requests/sec:"), "{}", ended.stdout);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_watcher_is_told_of_the_load_and_of_both_ends_of_the_window() {
    let server = good();
    for _ in 0..10 {
        let ended = run(&[&server.url(), "--json", "-c1", "-t1", "-d20ms", "--progress"]);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let events = [r#"{"event":"load"}"#, r#"{"event":"open"}"#, r#"{"event":"close"}"#];
        assert_eq!(lines[..lines.len() - 1], events);
        assert!(ended.report().requests > 0);
    }
}

/// Interrupts a run of a minute when it says `word`.
#[track_caller]
fn interrupted_at(word: &str, args: &[&str]) -> Report {
    let mut child = spawn(driver(&[args, &["--json", "--progress", "-c4"]].concat()));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let event = format!(r#"{{"event":"{word}"}}"#);
    let mut line = String::new();
    while line.trim_end() != event {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended before {word}");
    }
    interrupt(&child);
    let began = Instant::now();
    let rest = thread::spawn(move || text(Some(stdout)));
    let mut ended = ended(child);
    ended.stdout = rest.join().unwrap();
    // A tenth of what the run would have taken, and ten times what is promised.
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(ended.code, Some(130));
    ended.report()
}

fn interrupt(child: &Child) {
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

#[test]
fn an_interrupt_ends_the_window_and_prints_what_there_was() {
    let server = good();
    let report = interrupted_at("open", &[&server.url(), "-d60s", "--scenario", "ping"]);
    assert!(report.window_s > 0.0 && report.window_s < 60.0);
    assert_eq!(report.errors, Errors::default());
    assert_eq!(report.unanswered, report.in_flight_at_end);
    assert!(report.requests <= server.right());
}

#[test]
fn an_interrupt_ends_the_warm_up() {
    let server = good();
    let report = interrupted_at("load", &[&server.url(), "--warmup", "60s"]);
    assert_eq!((report.window_s, report.requests, report.unanswered), (0.0, 0, 0));
}

#[test]
fn an_interrupt_ends_the_drain() {
    let server = Server::start(|peer| {
        if peer.after(1).is_some() {
            peer.stall();
        }
    });
    let report = interrupted_at("close", &[&server.url(), "-d50ms", "--timeout", "60s"]);
    assert_eq!(report.errors, Errors::default());
    assert_eq!((report.in_flight_at_end, report.unanswered), (CONNECTIONS, CONNECTIONS));
}

#[test]
fn an_interrupt_ends_the_ramp() {
    let server = Server::start(Peer::stall);
    let child = spawn(driver(&[&server.url(), "--json", "--timeout", "60s", "--progress"]));
    let began = Instant::now();
    // Its first connection is there once it has asked for one: signals are handled by then.
    while server.connections() == 0 {
        assert!(began.elapsed() < DEADLINE);
        thread::sleep(Duration::from_millis(1));
    }
    interrupt(&child);
    let ended = ended(child);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
    let report = ended.report();
    assert_eq!((report.window_s, report.connect.established), (0.0, 0));
}

#[test]
fn an_interrupt_ends_the_wait_for_the_start() {
    let server = good();
    let start_at = (Timestamp::now() + Duration::from_secs(60)).to_string();
    let args = [&server.url(), "--scenario", "ping", "--json", "-c4", "--start-at", &start_at];
    let child = spawn(driver(&args));
    let began = Instant::now();
    // One for each connection: the ramp is over.
    while server.right() < 4 {
        assert!(began.elapsed() < DEADLINE);
        thread::sleep(Duration::from_millis(1));
    }
    interrupt(&child);
    let ended = ended(child);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(ended.code, Some(130));
    assert_eq!(ended.report().window_s, 0.0);
}

#[test]
fn bad_usage_says_what_would_be_right() {
    let url = "http://127.0.0.1:1/";
    for (args, message) in [
        (&[][..], "<URL>"),
        (&[url, "--bogus"], "--bogus"),
        (&[url, "-c", "0"], "must be at least 1"),
        (&[url, "-c", "many"], "whole number"),
        (&[url, "-c", "1", "-t", "2"], "use `-t 1`"),
        (&[url, "-d", "0"], "longer than 0"),
        (&[url, "-d", "soon"], "such as 10s, 500ms or 2m"),
        (&[url, "--timeout", "0s"], "longer than 0"),
        (&[url, "-m", "GET /"], "GET or POST"),
        (&[url, "-H", "no colon"], "Name: value"),
        (&[url, "-H", "X: a\r\nY: b"], "control characters"),
        (&[url, "--scenario", "pong"], "ping"),
        (&[url, "--scenario", "ping", "-b", "x"], "cannot be used with"),
        (&["https://127.0.0.1/"], "no TLS yet"),
        (&["127.0.0.1:80"], "not a URL"),
        (&["http://no-such-host.invalid/"], "does not resolve"),
    ] {
        let ended = run(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{args:?}");
    }
}
