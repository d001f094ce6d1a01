//! What is JSON, and what of it is a sequence number.

use std::net::SocketAddr;

use super::Outcome;
use super::answer::{answers, ask, is_alive, on, refuses};
use super::request::post;
use crate::conformance::exchange::excerpt;

/// RFC 8259 has none of these.
pub const BAD_JSON: &[&[u8]] = &[
    b"",
    b" ",
    b"not json",
    b"{",
    b"}",
    br#"{"sequence"#,
    br#"{"sequence":"#,
    br#"{"sequence":1"#,
    br#"{"sequence":}"#,
    br#"{"sequence" 1}"#,
    br#"{"sequence":1,}"#,
    br#"{"sequence":1]"#,
    br#"{"sequence":1}}"#,
    br#"{"sequence":1}x"#,
    br#"{"sequence":1}{"sequence":2}"#,
    b"{\"sequence\":1}\0",
    b"{\"sequence\":\x0b1}",
    br#"{sequence:1}"#,
    br#"{'sequence':1}"#,
    br#"{"sequence":01}"#,
    br#"{"sequence":+1}"#,
    br#"{"sequence":1.}"#,
    br#"{"sequence":0x1}"#,
    br#"{"sequence":1 2}"#,
    br#"{"sequence":NaN}"#,
    b"{\"sequence\":1,\"\xff\":2}",
];

pub fn bad_json(address: SocketAddr) -> Outcome {
    refuses_bodies(address, BAD_JSON)
}

/// RFC 8259, 2: white space is allowed around the six structural characters.
pub fn white_space(address: SocketAddr) -> Outcome {
    for space in [" ", "\t", "\n", "\r", " \t\r\n \t\r\n"] {
        let body = ["", "{", "\"sequence\"", ":", "42", "}", ""].join(space);
        ask(address, &post(&body))
            .map_err(String::from)
            .and_then(|response| answers(&response, 42))
            .map_err(on(excerpt(body.as_bytes())))?;
    }
    Ok(())
}

pub const NO_U64: &[&[u8]] = &[
    br#"{"sequence":-1}"#,
    br#"{"sequence":1.5}"#,
    br#"{"sequence":1e3}"#,
    br#"{"sequence":18446744073709551616}"#,
    br#"{"sequence":1000000000000000000000000000000}"#,
    br#"{"sequence":1e400}"#,
    br#"{"sequence":"1"}"#,
    br#"{"sequence":true}"#,
    br#"{"sequence":null}"#,
    br#"{"sequence":[1]}"#,
];

pub fn number_range(address: SocketAddr) -> Outcome {
    refuses_bodies(address, NO_U64)
}

pub fn u64_max(address: SocketAddr) -> Outcome {
    // The second is the first that a double cannot hold.
    for number in [u64::MAX, (1 << 53) + 1] {
        is_alive(address, number)?;
    }
    Ok(())
}

/// RFC 8259, 8.3: names are equal when they are so code unit by code unit.
pub const NO_FIELD: &[&[u8]] =
    &[b"{}", br#"{"sequences":1}"#, br#"{"Sequence":1}"#, br#"{"ping":{"sequence":1}}"#];

pub fn missing_field(address: SocketAddr) -> Outcome {
    refuses_bodies(address, NO_FIELD)
}

const UNPROCESSABLE: &[u16] = &[400, 422];

fn refuses_bodies(address: SocketAddr, bodies: &[&[u8]]) -> Outcome {
    for body in bodies {
        refuses(address, &post(body), UNPROCESSABLE).map_err(on(excerpt(body)))?;
    }
    Ok(())
}
