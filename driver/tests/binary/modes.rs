//! The modes in which a load can be made: rates, pipelines, connections for one request, shards.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use driver::report::{Errors, Report};
use jiff::Timestamp;

use crate::misbehave::{Peer, Request, Server, answer};
use crate::support::*;

/// The first number of a schedule.
const FIRST: u64 = 100_000_000_000;

/// A server without fault, and the numbers that it was asked for.
fn recording() -> (Server, Arc<Mutex<Vec<u64>>>) {
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&numbers);
    let server = Server::start(move |peer| {
        while let Some(request) = peer.request() {
            shared.lock().unwrap().push(number(&request));
            peer.answer(&request);
        }
    });
    (server, numbers)
}

fn number(request: &Request) -> u64 {
    let digits = request.body.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

fn scheduled(numbers: &Mutex<Vec<u64>>, connections: usize) -> Vec<u64> {
    // Each connection is asked something before the schedule begins.
    let mut numbers = numbers.lock().unwrap()[connections..].to_vec();
    numbers.sort_unstable();
    numbers
}

/// The ping scenario over these connections, by one thread.
fn ping_over(connections: u32, server: &Server, args: &[&str]) -> Ended {
    let connections = format!("-c{connections}");
    let common = [&server.url(), "--scenario", "ping", "--json", "-t1", &connections];
    run(&[&common[..], args].concat())
}

#[track_caller]
fn report(server: &Server, args: &[&str]) -> Report {
    without_errors(&ended(spawn(ping_with(&server.url(), args))))
}

#[track_caller]
fn without_errors(ended: &Ended) -> Report {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = ended.report();
    assert_eq!(report.errors, Errors::default());
    report
}

#[test]
fn an_open_loop_sends_what_its_schedule_says_each_number_once() {
    let (server, numbers) = recording();
    let report = report(&server, &["--rate", "500", "--warmup", "200ms", "-d", "400ms"]);
    let open_loop = report.open_loop.unwrap();
    assert_eq!(open_loop.scheduled, 200);
    assert_eq!(scheduled(&numbers, 4), (FIRST..FIRST + 300).collect::<Vec<_>>());
    assert_eq!(report.service.unwrap().count(), report.latency.count());
    assert_eq!(report.config.rate.map(|rate| (rate.from, rate.to)), Some((500.0, 500.0)));
    assert_eq!(report.checks.littles_residual, None);
}

#[test]
fn without_a_warm_up_the_first_sends_count_too() {
    let (server, _) = recording();
    let report = report(&server, &["--rate", "500", "-d", "200ms"]);
    // What was answered in the window was sent in it.
    assert!(report.open_loop.unwrap().sent >= report.requests);
}

#[test]
fn a_rate_goes_from_one_to_the_other_while_it_is_measured() {
    let (server, numbers) = recording();
    let args = ["--rate", "200..600", "--warmup", "200ms", "-d", "500ms"];
    let report = report(&server, &args);
    assert_eq!(report.open_loop.unwrap().scheduled, 200);
    assert_eq!(scheduled(&numbers, 4).len(), 40 + 200);
}

#[test]
fn shards_send_one_schedule_together() {
    let (server, numbers) = recording();
    let mut reports = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let args = ["--rate", "600", "-d", "300ms", "--shard", shard];
        reports.push(without_errors(&ping_over(7, &server, &args)));
    }
    let connections: Vec<u32> = reports.iter().map(|report| report.config.connections).collect();
    assert_eq!(connections, [3, 2, 2]);
    let due: Vec<u64> =
        reports.iter().map(|report| report.open_loop.as_ref().unwrap().scheduled).collect();
    assert_eq!(due.iter().sum::<u64>(), 180);
    let mut sent = numbers.lock().unwrap().clone();
    sent.sort_unstable();
    // The first numbers also prove the connections; none is missing, and none is beyond.
    sent.dedup();
    assert_eq!(sent, (FIRST..FIRST + 180).collect::<Vec<_>>());
}

#[test]
fn a_rate_that_the_server_does_not_follow_is_said_by_the_exit_status() {
    let server = Server::start(|peer| {
        while let Some(request) = peer.request() {
            thread::sleep(Duration::from_millis(20));
            peer.answer(&request);
        }
    });
    let ended = ended(spawn(ping_with(&server.url(), &["--rate", "1000", "-d", "500ms"])));
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let report = ended.report();
    let open_loop = report.open_loop.as_ref().unwrap();
    assert!(open_loop.achieved < 0.99);
    assert!(report.verdict.invalid[0].contains("slower than the rate"), "{:?}", report.verdict);
    // What waited for its connection counts as late, what was under way does not.
    let service = report.service.as_ref().unwrap();
    assert!(report.latency.mean() > 2.0 * service.mean());
    assert!(open_loop.lag.max_s > 0.1 && open_loop.own_lag.mean_s < open_loop.lag.mean_s);
}

#[test]
fn a_freeze_of_the_server_is_in_the_latency_of_all_that_were_due_in_it() {
    let server = Server::start(|peer| {
        let mut frozen = false;
        while let Some(request) = peer.request() {
            if !frozen && number(&request) >= FIRST + 50 {
                frozen = true;
                thread::sleep(Duration::from_millis(300));
            }
            peer.answer(&request);
        }
    });
    let report = without_errors(&ping_over(1, &server, &["--rate", "200", "-d", "1s"]));
    let late = |latency: &driver::report::Latency| {
        let total = latency.count();
        total - latency.0.count_between(0, 50_000_000)
    };
    // 60 were due in those 300 ms, 50 of them more than 50 ms before its end.
    assert!((45..=70).contains(&late(&report.latency)), "{}", late(&report.latency));
    assert_eq!(late(report.service.as_ref().unwrap()), 1);
}

#[test]
fn an_absurd_rate_ends_in_time_and_says_that_it_was_not_reached() {
    let (server, _) = recording();
    let ended = ping_over(4, &server, &["--rate", "1000M", "-d", "300ms"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.report().open_loop.unwrap().achieved < 0.01);
}

#[test]
fn so_many_requests_are_in_flight_as_the_pipeline_is_deep() {
    // Says nothing until it has eight requests; with fewer in flight the driver would wait for ever.
    let server = Server::start(|peer| {
        let Some(first) = peer.request() else { return };
        peer.answer(&first);
        let requests: Vec<Request> = (0..8).map_while(|_| peer.request()).collect();
        for request in &requests {
            peer.answer(request);
        }
        while let Some(request) = peer.request() {
            peer.answer(&request);
        }
    });
    let report = report(&server, &["--pipeline", "8", "-d", "300ms", "--timeout", "5s"]);
    assert!(report.requests >= 8);
    assert_eq!(report.latency.count(), report.requests);
    // Each of the two threads may have been about to fill one up again.
    assert!(report.in_flight_at_end > 8 * (CONNECTIONS - 2));
    assert!(report.checks.littles_law_holds(), "{:?}", report.checks);
    assert_eq!(report.config.pipeline, 8);
}

#[test]
fn answers_to_a_pipeline_that_come_in_one_piece_are_told_apart() {
    let server = Server::start(|peer| {
        let Some(first) = peer.request() else { return };
        peer.answer(&first);
        while let Some(first) = peer.request() {
            let mut answers = answer(&first.body);
            for _ in 1..4 {
                let Some(request) = peer.request() else { return };
                answers.extend(answer(&request.body));
            }
            for _ in 1..4 {
                peer.right(b"");
            }
            peer.right(&answers);
        }
    });
    let report = report(&server, &["--pipeline", "4", "-d", "200ms"]);
    assert!(report.requests > 0);
}

#[test]
fn what_was_sent_behind_the_last_answer_of_a_connection_is_lost() {
    let server = Server::start(|peer| {
        // All of them come in one piece, so nothing is left unread and the close is no reset.
        let Some(request) = peer.request() else { return };
        let body = String::from_utf8(request.body).unwrap();
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}");
        peer.right(format!("{head}\r\n\r\n{body}").as_bytes());
    });
    let ended = ended(spawn(ping_with(&server.url(), &["--pipeline", "3", "-d", "200ms"])));
    let report = ended.report();
    assert!(report.requests > 0);
    // Two each; those of the drain are errors as well.
    assert!(report.errors.read.closed >= 2 * report.requests, "{:?}", report.errors);
    assert_eq!(report.errors.total(), report.errors.read.closed, "{:?}", report.errors);
}

#[test]
fn without_keepalive_each_request_has_a_connection_of_its_own() {
    let server = Server::start(|peer| {
        if let Some(request) = peer.request() {
            assert!(request.head.contains("Connection: close"), "{}", request.head);
            peer.answer(&request);
        }
    });
    let report = report(&server, &["--no-keepalive", "-d", "200ms"]);
    assert!(report.requests > 0);
    assert_eq!(report.connect.established, 4);
    // One for each answer, and one whose answer came after the window or never.
    let connections = server.connections();
    assert!(connections >= report.requests + CONNECTIONS, "{connections}");
    assert_eq!((report.reconnects, report.lost), (0, 0));
    assert!(report.connect.latency.count() >= report.requests);
    assert!(report.latency.mean() >= report.service.unwrap().mean());
    assert!(!report.config.keepalive);
}

#[test]
fn an_open_loop_without_keepalive_opens_a_connection_when_a_request_is_due() {
    let (server, numbers) = recording();
    let report = report(&server, &["--no-keepalive", "--rate", "200", "-d", "300ms"]);
    assert_eq!(report.open_loop.unwrap().scheduled, 60);
    assert_eq!(scheduled(&numbers, 4).len(), 60);
    assert_eq!(server.connections(), 64);
}

#[test]
fn a_connection_that_ended_stays_closed_if_that_was_asked_for() {
    let server = Server::start(|peer| {
        let rounds = if peer.nth == 0 { usize::MAX } else { 5 };
        for _ in 0..rounds {
            let Some(request) = peer.request() else { return };
            peer.answer(&request);
        }
    });
    let args = ["--reconnect", "never", "-d", "200ms"];
    let report = ended(spawn(ping_with(&server.url(), &args))).report();
    assert_eq!(server.connections(), CONNECTIONS);
    assert_eq!((report.lost, report.reconnects), (3, 0));
    assert!(report.requests > 0);
}

#[test]
fn answers_after_the_deadline_are_errors_and_their_connection_goes_on() {
    let server = Server::start(|peer| {
        while let Some(request) = peer.request() {
            if number(&request) % 2 == 1 {
                thread::sleep(Duration::from_millis(30));
            }
            peer.answer(&request);
        }
    });
    let args = ["-d", "500ms", "--deadline", "20ms", "--timeout", "5s"];
    let report = ping_over(1, &server, &args).report();
    assert!(report.requests > 0 && report.errors.deadline > 0);
    assert_eq!(report.errors.total(), report.errors.deadline);
    // Leaving them out of the latency would flatter.
    assert_eq!(report.latency.count(), report.requests + report.errors.deadline);
    assert_eq!(server.connections(), 1);
}

#[test]
fn the_first_byte_has_a_time_of_its_own() {
    let server = Server::start(|peer| {
        while let Some(request) = peer.request() {
            let answer = answer(&request.body);
            peer.send(&answer[..10]);
            thread::sleep(Duration::from_millis(20));
            peer.right(&answer[10..]);
        }
    });
    let report = report(&server, &["-d", "300ms"]);
    assert_eq!(report.ttfb.count(), report.requests);
    assert!(report.latency.mean() - report.ttfb.mean() > 0.019);
}

#[test]
fn the_load_begins_when_it_is_told_to() {
    let (server, _) = recording();
    let at = Timestamp::now() + Duration::from_millis(700);
    let text = at.to_string();
    let report = report(&server, &["--start-at", &text, "-d", "100ms"]);
    assert!(report.started_at >= at);
    assert!(report.started_at.duration_since(at).as_millis_f64() < 600.0);
    assert_eq!(report.verdict.invalid, Vec::<String>::new());
}

#[test]
fn the_window_by_seconds_adds_up_to_the_window() {
    let (server, _) = recording();
    let report = report(&server, &["--intervals", "--warmup", "100ms", "-d", "1500ms"]);
    assert_eq!(report.intervals.len(), 2);
    let requests: u64 = report.intervals.iter().map(|interval| interval.requests).sum();
    let bytes: u64 = report.intervals.iter().map(|interval| interval.bytes_read).sum();
    assert_eq!((requests, bytes), (report.requests, report.bytes_read));
    let mut latency = driver::report::Latency::new();
    for interval in &report.intervals {
        latency.merge(&interval.latency.unpack());
        assert_eq!(interval.connections, 4);
    }
    assert_eq!(latency.0, report.latency.0);
    let lengths: f64 = report.intervals.iter().map(|interval| interval.length_s).sum();
    assert!((lengths - report.window_s).abs() < 1e-9);
}

#[test]
fn a_server_that_closes_every_connection_at_once_does_not_make_the_pipeline_spin() {
    let server = Server::start(|_: &mut Peer| {});
    let args = ["--pipeline", "16", "-d", "200ms", "--connect-timeout", "300ms"];
    let ended = ended(spawn(ping_with(&server.url(), &args)));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
}
