//! Each kind of trouble is named, and only that one; right answers are counted exactly; the run ends
//! by itself.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use driver::report::{Errors, Report};
use socket2::{Domain, Socket, Type};

use crate::misbehave::{Peer, Server, answer, with_status};
use crate::support::*;

/// What the server did wrong is counted in this place, each time, and nowhere else.
#[track_caller]
fn named(behave: impl Fn(&mut Peer) + Send + Sync + 'static, place: impl Fn(&mut Errors, u64)) {
    let server = Server::start(behave);
    let report = measure(&server, ping(&server.url()));
    assert!(server.wrong() > 0);
    let mut expected = Errors::default();
    place(&mut expected, server.wrong());
    assert_eq!(report.errors, expected);
}

/// Odd as it is, this is no error.
#[track_caller]
fn accepted(behave: impl Fn(&mut Peer) + Send + Sync + 'static) -> Report {
    let server = Server::start(behave);
    let report = measure(&server, ping(&server.url()));
    assert_eq!(report.errors, Errors::default());
    assert!(report.requests > CONNECTIONS, "{}", report.requests);
    report
}

/// A request of the scenario, with another number.
fn other_number(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    let digit = body.len() - 2;
    body[digit] = if body[digit] == b'0' { b'1' } else { b'0' };
    body
}

#[test]
fn resets() {
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"");
                peer.reset();
            }
        },
        |errors, count| errors.read.reset = count,
    );
}

#[test]
fn resets_in_the_head() {
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"HTTP/1.1 200 OK\r\nContent-Le");
                peer.reset();
            }
        },
        |errors, count| errors.read.reset = count,
    );
}

#[test]
fn closes_without_an_answer() {
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"");
            }
        },
        |errors, count| errors.read.closed = count,
    );
}

#[test]
fn closes_in_the_head() {
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"HTTP/1.1 200 OK\r\nContent-Le");
            }
        },
        |errors, count| errors.read.closed = count,
    );
}

#[test]
fn closes_in_the_body() {
    named(
        |peer| {
            if let Some(request) = peer.after(3) {
                let answer = answer(&request.body);
                peer.wrong(&answer[..answer.len() - 1]);
            }
        },
        |errors, count| errors.read.closed = count,
    );
}

#[test]
fn closes_in_a_chunked_body() {
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"seq\r\n");
            }
        },
        |errors, count| errors.read.closed = count,
    );
}

#[test]
fn says_a_length_that_is_too_large() {
    named(
        |peer| {
            if let Some(request) = peer.after(3) {
                peer.wrong(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
                peer.send(&request.body);
            }
        },
        |errors, count| errors.read.closed = count,
    );
}

#[test]
fn says_a_length_that_is_too_small() {
    named(
        |peer| {
            if let Some(request) = peer.after(3) {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
                peer.wrong(&[head, &request.body[..]].concat());
                peer.stall();
            }
        },
        |errors, count| errors.protocol = count,
    );
}

#[test]
fn answers_garbage() {
    // A TLS alert: what a server for https:// may say to a request in clear.
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"\x15\x03\x01\x00\x02\x02\x46");
                peer.stall();
            }
        },
        |errors, count| errors.protocol = count,
    );
}

#[test]
fn answers_garbage_in_pieces() {
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"HTT");
                thread::sleep(Duration::from_millis(5));
                peer.send(b"Q/1.1 without a line break");
                peer.stall();
            }
        },
        |errors, count| errors.protocol = count,
    );
}

#[test]
fn answers_twice() {
    named(
        |peer| {
            if let Some(request) = peer.after(3) {
                let answer = answer(&request.body);
                // The first of the two is right.
                peer.right(&answer.repeat(2));
                peer.wrong(b"");
                peer.stall();
            }
        },
        |errors, count| errors.protocol = count,
    );
}

#[test]
fn sends_interim_responses_without_end() {
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"");
                while peer.send(b"HTTP/1.1 102 Processing\r\n\r\n") {}
            }
        },
        |errors, count| errors.protocol = count,
    );
}

#[test]
fn sends_a_head_without_end() {
    named(
        |peer| {
            if peer.after(3).is_some() {
                peer.wrong(b"HTTP/1.1 200 OK\r\nX: ");
                while peer.send(&[b'x'; 4096]) {}
            }
        },
        |errors, count| errors.protocol = count,
    );
}

#[test]
fn answers_with_the_wrong_status() {
    named(
        |peer| {
            while peer.after(3).is_some() {
                peer.wrong(&with_status("500 Internal Server Error", b"sorry"));
            }
        },
        |errors, count| errors.status = [(500, count)].into(),
    );
    named(
        |peer| {
            while let Some(request) = peer.after(3) {
                peer.wrong(&with_status("404 Not Found", &request.body));
            }
        },
        |errors, count| errors.status = [(404, count)].into(),
    );
    // A success, and yet not the one that the scenario asks for.
    named(
        |peer| {
            while peer.after(3).is_some() {
                peer.wrong(b"HTTP/1.1 204 No Content\r\n\r\n");
            }
        },
        |errors, count| errors.status = [(204, count)].into(),
    );
}

#[test]
fn answers_with_the_wrong_body() {
    type Change = fn(&[u8]) -> Vec<u8>;
    let wrongs: [Change; 5] = [
        other_number,
        |body| body[..body.len() - 1].to_vec(),
        |body| [body, b"\n"].concat(),
        |_| b"{}".to_vec(),
        |_| Vec::new(),
    ];
    for wrong in wrongs {
        named(
            move |peer| {
                while let Some(request) = peer.after(3) {
                    peer.wrong(&answer(&wrong(&request.body)));
                }
            },
            |errors, count| errors.body = count,
        );
    }
}

/// What the server does with a request after some right answers, until the timeout.
#[track_caller]
fn times_out(silent: impl Fn(&mut Peer) + Send + Sync + 'static) {
    let server = Server::start(move |peer| {
        if peer.after(20).is_some() {
            peer.wrong(b"");
            silent(peer);
        }
    });
    let report = measure(&server, ping_with(&server.url(), &["--timeout", "300ms", "-d500ms"]));
    let expected = Errors { timeout: server.wrong(), ..Errors::default() };
    assert!(server.wrong() >= CONNECTIONS);
    assert_eq!(report.errors, expected);
}

#[test]
fn stalls() {
    times_out(Peer::stall);
}

#[test]
fn stalls_in_the_body() {
    times_out(|peer| {
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{");
        peer.stall();
    });
}

#[test]
fn sends_a_body_without_end() {
    times_out(|peer| {
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n");
        while peer.send(&[b'x'; 1 << 16]) {}
    });
}

#[test]
fn resets_while_the_request_is_written() {
    // Right answers first, on connections of their own: one that has carried a request has more
    // room than a fresh one, and may take the next request whole.
    let server = Server::narrow(|peer| {
        if peer.nth < CONNECTIONS {
            if peer.request().is_some() {
                peer.right(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            }
        } else if peer.read() {
            peer.wrong(b"");
            peer.reset();
        }
    });
    let body = "x".repeat(100_000);
    let report = measure(
        &server,
        driver(&[&server.url(), "--json", "-c4", "-t1", "-d200ms", "-mPOST", "-b", &body]),
    );
    assert!(server.wrong() > 0);
    assert_eq!(report.errors, Errors { write: server.wrong(), ..Errors::default() });
}

#[test]
fn an_answer_that_comes_before_the_request_is_written_never_mixes_two_requests() {
    let server = Server::narrow(|peer| {
        while peer.read() {
            peer.right(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            match peer.request() {
                Some(request) if request.body.iter().all(|&byte| byte == b'x') => {}
                Some(_) => peer.wrong(b""),
                // The driver gave the connection up, as it should where half a request was sent.
                None => return,
            }
        }
    });
    let body = "x".repeat(120_000);
    let report = measure(
        &server,
        driver(&[&server.url(), "--json", "-c4", "-t1", "-d300ms", "-mPOST", "-b", &body]),
    );
    assert!(report.requests > 0);
    assert_eq!((report.errors, server.wrong()), (Errors::default(), 0));
}

#[test]
fn a_request_that_takes_several_writes_arrives_whole() {
    let server = Server::narrow(|peer| {
        while let Some(request) = peer.request() {
            if request.body.len() == 100_000 && request.body.iter().all(|&byte| byte == b'x') {
                peer.answer(&request);
            } else {
                peer.wrong(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    let body = "x".repeat(100_000);
    let report = measure(
        &server,
        driver(&[&server.url(), "--json", "-c4", "-d200ms", "-mPOST", "-b", &body]),
    );
    assert_eq!(report.errors, Errors::default());
    assert_eq!(server.wrong(), 0);
}

#[test]
fn connections_that_close_after_each_answer_are_opened_again() {
    let report = accepted(|peer| {
        if let Some(request) = peer.request() {
            let body = String::from_utf8(request.body).unwrap();
            peer.right(
                format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            );
        }
    });
    // One for each answer, but for those that the end of the window overtook.
    assert!(report.reconnects > 0 && report.reconnects <= report.requests, "{report:?}");
}

#[test]
fn http_1_0_without_a_length() {
    let report = accepted(|peer| {
        if let Some(request) = peer.request() {
            peer.right(&[b"HTTP/1.0 200 OK\r\n\r\n", &request.body[..]].concat());
        }
    });
    assert!(report.reconnects > 0 && report.reconnects <= report.requests, "{report:?}");
}

#[test]
fn http_1_0_kept_alive() {
    let report = accepted(|peer| {
        while let Some(request) = peer.request() {
            let head = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 25\r\n\r\n";
            peer.right(&[head, &request.body[..]].concat());
        }
    });
    assert_eq!(report.reconnects, 0);
}

#[test]
fn chunked_answers() {
    accepted(|peer| {
        while let Some(request) = peer.request() {
            let (a, b) = request.body.split_at(10);
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            peer.right(&[head, &b"A\r\n"[..], a, b"\r\nf;x\r\n", b, b"\r\n0\r\n\r\n"].concat());
        }
    });
}

#[test]
fn interim_responses_first() {
    accepted(|peer| {
        while let Some(request) = peer.request() {
            let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
            peer.right(&[interim, interim, &answer(&request.body)[..]].concat());
        }
    });
}

#[test]
fn one_byte_at_a_time() {
    accepted(|peer| {
        while let Some(request) = peer.request() {
            peer.right(b"");
            for byte in answer(&request.body) {
                peer.send(&[byte]);
            }
        }
    });
}

#[test]
fn a_server_may_close_a_connection_on_which_nothing_is_in_flight() {
    // Its first connection is closed while the ramp still waits for the last one.
    let server = Server::start(|peer| {
        let Some(request) = peer.request() else { return };
        if peer.nth == CONNECTIONS - 1 {
            thread::sleep(Duration::from_millis(100));
        }
        peer.answer(&request);
        while peer.nth > 0
            && let Some(request) = peer.request()
        {
            peer.answer(&request);
        }
    });
    let report = measure(
        &server,
        driver(&[&server.url(), "--json", "-c4", "-t1", "-d100ms", "--timeout", "5s"]),
    );
    assert_eq!(report.errors, Errors::default());
    assert_eq!(u64::from(report.connect.established), CONNECTIONS);
    assert_eq!((report.reconnects, server.connections()), (0, CONNECTIONS + 1));
}

#[test]
fn refused() {
    // Bound and never listening, so that nobody else is given the port meanwhile.
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    let ended = ended(spawn(ping(&format!("http://{address}"))));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("connect refused"), "{}", ended.stderr);
    let report = ended.report();
    let only_refused = |errors: &Errors| {
        let mut expected = Errors::default();
        expected.connect.refused = errors.connect.refused;
        assert!(expected.connect.refused > 0);
        assert_eq!(*errors, expected);
    };
    only_refused(&report.errors_before);
    only_refused(&report.errors);
    assert_eq!((report.requests, report.connect.established), (0, 0));
}

#[test]
fn never_answers() {
    let server = Server::start(Peer::stall);
    let args = ["-d200ms", "--timeout", "50ms", "--connect-timeout", "300ms"];
    let ended = ended(spawn(ping_with(&server.url(), &args)));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no connection was ever answered (timeout "), "{}", ended.stderr);
    let report = ended.report();
    assert_eq!(report.errors_before.total(), report.errors_before.timeout);
    assert!(report.errors.timeout > 0);
    assert_eq!(report.errors.total(), report.errors.timeout);
    assert_eq!((report.requests, report.connect.established), (0, 0));
}

#[test]
fn wrong_from_the_start_is_counted_before_the_window_and_in_it() {
    let server = Server::start(|peer| {
        while peer.request().is_some() {
            peer.wrong(&with_status("503 Service Unavailable", b""));
        }
    });
    let ended = ended(spawn(ping(&server.url())));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = ended.report();
    assert_eq!(report.requests, 0);
    let before = Errors { status: [(503, CONNECTIONS)].into(), ..Errors::default() };
    assert_eq!(report.errors_before, before);
    let during = [(503, server.wrong() - CONNECTIONS)].into();
    assert_eq!(report.errors, Errors { status: during, ..Errors::default() });
}

#[test]
fn warm_up_is_not_measured() {
    let server = good();
    let args = ["--warmup", "200ms", "-d200ms"];
    let report = ended(spawn(ping_with(&server.url(), &args))).report();
    assert_eq!(report.errors, Errors::default());
    assert!(report.requests > 0);
    let after = CONNECTIONS + report.in_flight_at_end;
    assert!(report.requests + after < server.right(), "{}", server.right());
}

#[test]
fn connections_are_spread_evenly_over_targets_and_threads() {
    let servers = [good(), good(), good()];
    let urls = servers.each_ref().map(Server::url);
    let [a, b, c] = urls.each_ref().map(String::as_str);
    let ended = run(&[a, b, c, "--json", "-c10", "-t3", "-d100ms", "--scenario", "ping"]);
    let report = ended.report();
    assert_eq!(report.errors, Errors::default());
    assert_eq!(report.connect.established, 10);
    assert_eq!(servers.each_ref().map(Server::connections), [4, 3, 3]);
    let threads: Vec<_> = report.threads.iter().map(|thread| thread.connections).collect();
    assert_eq!(threads, [4, 3, 3]);
    assert!(servers.iter().all(|server| server.right() > server.connections()));
}

#[test]
fn head_requests_get_no_body() {
    let server = Server::start(|peer| {
        while let Some(request) = peer.request() {
            assert!(request.head.starts_with("HEAD / HTTP/1.1\r\n"));
            peer.right(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        }
    });
    let report =
        measure(&server, driver(&[&server.url(), "--json", "-c4", "-d100ms", "-m", "HEAD"]));
    assert_eq!(report.errors, Errors::default());
    assert!(report.requests > 0);
}

#[test]
fn method_body_and_headers_are_sent() {
    let server = good();
    let url = format!("{}a/b?c=d", server.url());
    let args = [&url, "--json", "-c4", "-d100ms", "-m", "PUT", "-b", "xyz", "-H", "X-One: 1"];
    let report = measure(&server, driver(&[&args[..], &["-H", "X-Two:2"]].concat()));
    assert_eq!(report.errors, Errors::default());
    assert_eq!(report.config.method, "PUT");
    let request = server.last_request();
    let host = server.address;
    assert_eq!(
        request.head,
        format!(
            "PUT /a/b?c=d HTTP/1.1\r\nHost: {host}\r\nX-One: 1\r\nX-Two: 2\r\nContent-Length: 3"
        )
    );
    assert_eq!(request.body, b"xyz");
}
