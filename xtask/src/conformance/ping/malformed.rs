//! Requests that are no HTTP, and whether a server lives on after these and all the other bad ones.

use std::net::SocketAddr;
use std::time::Duration;

use super::Outcome;
use super::answer::{is_alive, on, open, refuses_or_closes};
use super::json::{BAD_JSON, NO_FIELD, NO_U64};
use super::request::{BODY_LIMIT, JSON, body, padded, ping, post, request_head};
use super::routing::{elsewhere, other_methods, without_type, wrong_types};
use crate::conformance::exchange::{Asked, excerpt};

/// RFC 9112, 3: an invalid request line is answered with 400, or at least not with silence.
const MALFORMED: &[&[u8]] = &[
    b"GARBAGE\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"POST /ping\r\nHost: localhost\r\n\r\n",
    b"POST /ping HTTQ/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /ping more HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"P@ST{} /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /ping HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
];

pub fn malformed_request(address: SocketAddr) -> Outcome {
    MALFORMED
        .iter()
        .try_for_each(|request| refuses_or_closes(address, request).map_err(on(excerpt(request))))
}

/// RFC 9112, 6.3: an invalid length, or two that differ, cannot be recovered from.
fn bad_lengths() -> impl Iterator<Item = Vec<u8>> {
    ["abc", "-1", "14x", "0x0e", "99999999999999999999999", "14\r\nContent-Length: 15"]
        .into_iter()
        .map(|length| {
            let length = format!("Content-Length: {length}");
            let mut bytes = request_head("POST /ping HTTP/1.1", &[JSON, &length]);
            bytes.extend_from_slice(body(1).as_bytes());
            bytes
        })
}

pub fn bad_content_length(address: SocketAddr) -> Outcome {
    for request in bad_lengths() {
        let text = String::from_utf8_lossy(&request);
        let lengths: Vec<_> =
            text.lines().filter(|line| line.starts_with("Content-Length")).collect();
        let lengths = lengths.join(", ");
        refuses_or_closes(address, &request).map_err(on(&lengths))?;
        is_alive(address, 1).map_err(on(format_args!("the request after {lengths}")))?;
    }
    Ok(())
}

/// What is sent elsewhere one kind at a time, and requests that end in the middle.
fn bad_requests() -> Vec<Vec<u8>> {
    let bodies = [BAD_JSON, NO_U64, NO_FIELD].concat();
    let whole = ping(1);
    let cut_in_head = whole[..20].to_vec();
    let cut_in_body = whole[..whole.len() - 1].to_vec();
    bodies
        .into_iter()
        .map(post)
        .chain(wrong_types())
        .chain([without_type(), post(padded(1, BODY_LIMIT + 1))])
        .chain(elsewhere())
        .chain(other_methods())
        .chain(MALFORMED.iter().map(|bytes| bytes.to_vec()))
        .chain(bad_lengths())
        .chain([cut_in_head, cut_in_body])
        .collect()
}

pub fn alive_after_bad(address: SocketAddr) -> Outcome {
    // Only so that the server has read the request before the next connection: what it answers, if
    // anything, is not this case's business.
    let moment = Duration::from_millis(50);
    for (number, request) in (1..).zip(bad_requests()) {
        let lost = format_args!("after {}", excerpt(&request)).to_string();
        open(address)
            .and_then(|mut connection| {
                connection.send(&request)?;
                connection.set_patience(moment);
                // A refused request may well be followed by a reset.
                let _ = connection.response(Asked::Other);
                Ok(())
            })
            .map_err(on(&lost))?;
        is_alive(address, number).map_err(on(&lost))?;
    }
    Ok(())
}
