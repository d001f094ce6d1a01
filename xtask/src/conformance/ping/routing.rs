//! Which requests are for the handler: by path, method, media type and size.

use std::net::SocketAddr;

use super::Outcome;
use super::answer::{answers, ask, on, refuses};
use super::request::{BODY_LIMIT, JSON, body, padded, post, request, request_head};

/// RFC 9110, 8.3.1: media types are compared without regard to case, and may have parameters.
pub fn content_type_charset(address: SocketAddr) -> Outcome {
    for content_type in [
        "Content-Type: application/json; charset=utf-8",
        "Content-Type: application/json;charset=UTF-8",
        "Content-Type: Application/JSON",
    ] {
        let request = request("POST /ping HTTP/1.1", &[content_type], body(8_364).as_bytes());
        ask(address, &request)
            .map_err(String::from)
            .and_then(|response| answers(&response, 8_364))
            .map_err(on(content_type))?;
    }
    Ok(())
}

/// No type with the suffix `+json`: taking those for JSON is what RFC 6839, 3.1 is for.
pub fn wrong_types() -> impl Iterator<Item = Vec<u8>> {
    [
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: application/jsonlines",
    ]
    .into_iter()
    .map(|content_type| request("POST /ping HTTP/1.1", &[content_type], body(1).as_bytes()))
}

/// RFC 9110, 15.5.16.
pub fn wrong_content_type(address: SocketAddr) -> Outcome {
    wrong_types().try_for_each(|request| {
        refuses(address, &request, &[415]).map_err(on(second_header(&request)))
    })
}

/// The header that comes after Host.
fn second_header(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    text.lines().nth(2).unwrap_or_default().to_owned()
}

pub fn without_type() -> Vec<u8> {
    request("POST /ping HTTP/1.1", &[], body(1).as_bytes())
}

pub fn missing_content_type(address: SocketAddr) -> Outcome {
    refuses(address, &without_type(), &[415])
}

/// Paths are compared byte by byte: RFC 9110, 4.2.3.
pub fn elsewhere() -> impl Iterator<Item = Vec<u8>> {
    ["/", "/pong", "/pings", "/ping/", "/ping/ping", "/PING"]
        .into_iter()
        .map(|path| {
            let line = format!("POST {path} HTTP/1.1");
            request(&line, &[JSON], body(1).as_bytes())
        })
        .chain([request_head("GET / HTTP/1.1", &[])])
}

pub fn not_found(address: SocketAddr) -> Outcome {
    elsewhere().try_for_each(|request| {
        refuses(address, &request, &[404]).map_err(on(first_line(&request)))
    })
}

pub fn other_methods() -> impl Iterator<Item = Vec<u8>> {
    let with_body =
        ["PUT", "PATCH"].map(|method| request(&format!("{method} /ping HTTP/1.1"), &[JSON], b"{}"));
    let without =
        ["GET", "DELETE"].map(|method| request_head(&format!("{method} /ping HTTP/1.1"), &[]));
    with_body.into_iter().chain(without)
}

/// RFC 9110, 15.5.6.
pub fn method_not_allowed(address: SocketAddr) -> Outcome {
    other_methods().try_for_each(|request| {
        refuses(address, &request, &[405]).map_err(on(first_line(&request)))
    })
}

fn first_line(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    text.lines().next().unwrap_or_default().to_owned()
}

/// RFC 9110, 15.5.14. The server may answer as soon as it has seen the length, and close.
pub fn too_large(address: SocketAddr) -> Outcome {
    refuses(address, &post(padded(1, BODY_LIMIT + 1)), &[413])
}

pub fn largest_body(address: SocketAddr) -> Outcome {
    let response = ask(address, &post(padded(65_536, BODY_LIMIT)))?;
    answers(&response, 65_536)
}
