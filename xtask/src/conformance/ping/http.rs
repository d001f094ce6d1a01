//! The parts of HTTP/1.1 that a handler leaves to its server.

use std::net::SocketAddr;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::answer::{answers, ask, next_is, on, open};
use super::request::{JSON, body, ping, request, request_head};
use super::{Outcome, PAUSE};
use crate::conformance::exchange::{Asked, Failure, Framing};

/// RFC 9110, 6.6.1: an origin server with a clock sends Date; 5.6.7: as IMF-fixdate. Two seconds,
/// since it is cut to whole ones and may be cached for one.
pub fn date(address: SocketAddr) -> Outcome {
    let response = ask(address, &ping(1))?;
    let text = response.header("date")?;
    let date = rfc2822::parse(text)
        .ok()
        .map(|date| date.timestamp())
        // The parser takes older forms as well; only IMF-fixdate comes back as it was.
        .filter(|date| {
            rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(date)
                .is_ok_and(|same| same == text)
        })
        .ok_or_else(|| format!("Date `{text}` is no IMF-fixdate"))?;
    let off = Timestamp::now().duration_since(date).as_secs();
    if off.abs() <= 2 { Ok(()) } else { Err(format!("Date is {off} s behind")) }
}

/// RFC 9110, 8.6. That it equals the body is seen by every case that reads one.
pub fn content_length(address: SocketAddr) -> Outcome {
    match ask(address, &ping(1))?.framing {
        Framing::ContentLength => Ok(()),
        Framing::Chunked => Err("chunked instead of a Content-Length".to_owned()),
        Framing::NoBody | Framing::UntilClose => Err("no Content-Length".to_owned()),
    }
}

/// RFC 9112, 7.1: a recipient must be able to parse the chunked coding.
pub fn chunked(address: SocketAddr) -> Outcome {
    let body = body(777);
    let one = [chunk(body.as_bytes()), chunk(b"")].concat();
    let each = body.as_bytes().chunks(1).flat_map(chunk).chain(chunk(b"")).collect::<Vec<u8>>();
    let head = request_head("POST /ping HTTP/1.1", &[JSON, "Transfer-Encoding: chunked"]);
    let forms: [(&str, Vec<&[u8]>); 4] = [
        ("one chunk", vec![&one]),
        ("a chunk for every byte", vec![&each]),
        (
            "a split inside a size, a chunk and the end",
            vec![&one[..1], &one[1..9], &one[9..one.len() - 3], &one[one.len() - 3..]],
        ),
        ("a chunk for every byte, split", each.chunks(7).collect()),
    ];
    for (form, pieces) in forms {
        let mut connection = open(address)?;
        let first = [&head, pieces[0]].concat();
        let pieces = [&first[..]].into_iter().chain(pieces.into_iter().skip(1));
        connection
            .send_pieces(pieces, PAUSE / 5)
            .and_then(|()| connection.response(Asked::Other))
            .map_err(String::from)
            .and_then(|response| answers(&response, 777))
            .map_err(on(form))?;
    }
    Ok(())
}

fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// RFC 9110, 10.1.1: the server sends 100 or a final status, unless the body is already coming.
pub fn expect_continue(address: SocketAddr) -> Outcome {
    let body = body(100);
    let whole = request("POST /ping HTTP/1.1", &[JSON, "Expect: 100-continue"], body.as_bytes());
    let (head, _) = whole.split_at(whole.len() - body.len());

    let mut connection = open(address)?;
    connection.send(head)?;
    match connection.interim().map_err(on("before the body"))? {
        100 => {}
        status => return Err(format!("{status} before the body instead of 100")),
    }
    connection.expect_idle()?;
    connection.send(body.as_bytes())?;
    next_is(&mut connection, 100).map_err(on("after 100"))?;

    answers(&ask(address, &whole)?, 100).map_err(on("with the body sent along"))
}

/// RFC 9110, 9.3.2: no content, whatever the status and the length say. Content would be taken for
/// the next answer.
pub fn head(address: SocketAddr) -> Outcome {
    let mut connection = open(address)?;
    connection.send(&request_head("HEAD /ping HTTP/1.1", &[]))?;
    connection.response(Asked::Head)?;
    let next = connection.exchange(&ping(5));
    match next {
        Ok(response) => answers(&response, 5).map_err(on("the next request")),
        // The reset is for the next request, which came after the close.
        Err(failure @ (Failure::Closed { .. } | Failure::Reset { .. })) if !failure.answered() => {
            Ok(())
        }
        Err(failure) => Err(on("the next request")(failure)),
    }
}

/// RFC 9112, 9.3: a connection of HTTP/1.0 does not persist unless asked to; 6.1: its client does
/// not know the chunked coding.
pub fn http10(address: SocketAddr) -> Outcome {
    let mut connection = open(address)?;
    let response =
        connection.exchange(&request("POST /ping HTTP/1.0", &[JSON], body(10).as_bytes()))?;
    answers(&response, 10)?;
    match response.framing {
        Framing::Chunked => Err("a chunked answer to HTTP/1.0".to_owned()),
        Framing::UntilClose => Ok(()),
        Framing::ContentLength | Framing::NoBody => Ok(connection.expect_close()?),
    }
}

/// RFC 9112, 9.6.
pub fn connection_close(address: SocketAddr) -> Outcome {
    let mut connection = open(address)?;
    let response = connection.exchange(&request(
        "POST /ping HTTP/1.1",
        &[JSON, "Connection: close"],
        body(11).as_bytes(),
    ))?;
    answers(&response, 11)?;
    match response.framing {
        Framing::UntilClose => Ok(()),
        Framing::Chunked | Framing::ContentLength | Framing::NoBody => {
            Ok(connection.expect_close()?)
        }
    }
}

fn with_headers(address: SocketAddr, headers: &[String], number: u64) -> Outcome {
    let headers: Vec<&str> = [JSON].into_iter().chain(headers.iter().map(String::as_str)).collect();
    let request = request("POST /ping HTTP/1.1", &headers, body(number).as_bytes());
    answers(&ask(address, &request)?, number)
}

pub fn many_headers(address: SocketAddr) -> Outcome {
    // With Host, Content-Type and Content-Length they are 64.
    let headers: Vec<String> = (4..=64).map(|index| format!("X-{index}: {index}")).collect();
    with_headers(address, &headers, 64)
}

pub fn large_header(address: SocketAddr) -> Outcome {
    with_headers(address, &[format!("X-Large: {}", "x".repeat(4096))], 4096)
}
