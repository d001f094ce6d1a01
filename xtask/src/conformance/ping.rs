//! The ping contract, version 1, as cases: `POST /ping` with `{"sequence":N}` is echoed.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::exchange::{Asked, Connection, Failure, Framing, PATIENCE, Response, excerpt};
use super::{Case, Level, NotReady, Scenario, Turn};

pub const SCENARIO: Scenario = Scenario { name: "ping", cases: CASES, ready };

type Outcome = Result<(), String>;

const fn required(name: &'static str, turn: Turn, run: fn(SocketAddr) -> Outcome) -> Case {
    Case { name, level: Level::Required, turn, run }
}

const fn scored(name: &'static str, turn: Turn, run: fn(SocketAddr) -> Outcome) -> Case {
    Case { name, level: Level::Scored, turn, run }
}

const CASES: &[Case] = &[
    required("echo", Turn::Together, echo),
    required("split", Turn::Together, split),
    required("pipeline", Turn::Together, pipeline),
    required("keep-alive", Turn::Together, keep_alive),
    required("bad-json", Turn::Together, bad_json),
    required("alive-after-bad", Turn::Alone, alive_after_bad),
    scored("white-space", Turn::Together, white_space),
    scored("number-range", Turn::Together, number_range),
    scored("u64-max", Turn::Together, u64_max),
    scored("missing-field", Turn::Together, missing_field),
    scored("content-type-charset", Turn::Together, content_type_charset),
    scored("wrong-content-type", Turn::Together, wrong_content_type),
    scored("missing-content-type", Turn::Together, missing_content_type),
    scored("not-found", Turn::Together, not_found),
    scored("method-not-allowed", Turn::Together, method_not_allowed),
    scored("too-large", Turn::Together, too_large),
    scored("largest-body", Turn::Together, largest_body),
    scored("date", Turn::Together, date),
    scored("content-length", Turn::Together, content_length),
    scored("chunked", Turn::Together, chunked),
    scored("expect-continue", Turn::Together, expect_continue),
    scored("head", Turn::Together, head),
    scored("http10", Turn::Together, http10),
    scored("connection-close", Turn::Together, connection_close),
    scored("many-headers", Turn::Together, many_headers),
    scored("large-header", Turn::Together, large_header),
    scored("malformed-request", Turn::Alone, malformed_request),
    scored("bad-content-length", Turn::Alone, bad_content_length),
];

/// Bytes of a request body that a server must take; one more is too many.
const BODY_LIMIT: usize = 64 * 1024;

/// Long enough for an idle server to read what it has been sent. Should it be slower, two pieces
/// arrive as one: the case is then easier, never wrong.
const PAUSE: Duration = Duration::from_millis(10);

const JSON: &str = "Content-Type: application/json";

// Requests.

/// A request whose body has its length announced.
fn request(line: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let mut bytes = request_head(line, &[headers, &[length.as_str()]].concat());
    bytes.extend_from_slice(body);
    bytes
}

fn request_head(line: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("{line}\r\nHost: localhost\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn post(body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST /ping HTTP/1.1", &[JSON], body.as_ref())
}

fn ping(number: u64) -> Vec<u8> {
    post(body(number))
}

fn body(number: u64) -> String {
    format!(r#"{{"sequence":{number}}}"#)
}

/// A legal body of exactly `length` bytes.
fn padded(number: u64, length: usize) -> Vec<u8> {
    let mut body = body(number).into_bytes();
    body.resize(length, b' ');
    body
}

fn open(address: SocketAddr) -> Result<Connection, Failure> {
    Connection::open(address, PATIENCE)
}

/// The answer to one request on a new connection.
fn ask(address: SocketAddr, request: &[u8]) -> Result<Response, Failure> {
    open(address)?.exchange(request)
}

// Answers.

fn answers(response: &Response, number: u64) -> Outcome {
    has_status(response, &[200])?;
    if response.body == body(number).as_bytes() {
        Ok(())
    } else {
        let (seen, asked) = (excerpt(&response.body), body(number));
        Err(format!("answered {seen} instead of `{asked}`"))
    }
}

fn has_status(response: &Response, any_of: &[u16]) -> Outcome {
    if any_of.contains(&response.status) {
        return Ok(());
    }
    let wanted: Vec<_> = any_of.iter().map(u16::to_string).collect();
    let (wanted, seen) = (wanted.join(" or "), excerpt(&response.body));
    Err(format!("{} with {seen} instead of {wanted}", response.status))
}

/// Whether a refused request got one of the statuses it may get.
fn refuses(address: SocketAddr, request: &[u8], any_of: &[u16]) -> Outcome {
    has_status(&ask(address, request)?, any_of)
}

/// Whether a request that cannot be parsed got a 4xx or at least a closed connection.
fn refuses_or_closes(address: SocketAddr, request: &[u8]) -> Outcome {
    match ask(address, request) {
        Ok(response) if (400..500).contains(&response.status) => Ok(()),
        Ok(response) => Err(format!("{} instead of a 4xx", response.status)),
        Err(failure @ (Failure::Closed { .. } | Failure::Reset { .. })) if !failure.answered() => {
            Ok(())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Whether a new connection gets a correct answer.
fn is_alive(address: SocketAddr, number: u64) -> Outcome {
    answers(&ask(address, &ping(number))?, number)
}

fn on<E: Into<String>>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |seen| format!("{what}: {}", seen.into())
}

fn ready(address: SocketAddr, timeout: Duration) -> Result<(), NotReady> {
    let number = 1;
    let response = Connection::open(address, timeout)?.exchange(&ping(number))?;
    answers(&response, number).map_err(NotReady::Wrong)
}

// Required cases.

fn echo(address: SocketAddr) -> Outcome {
    for number in [0, 10, 9, 4_294_967_296, 1, 1_000_000_000_000_000] {
        let response = ask(address, &ping(number)).map_err(on(number))?;
        answers(&response, number).map_err(on(number))?;
        is_json(response.header("content-type")?)?;
    }
    Ok(())
}

fn is_json(content_type: &str) -> Outcome {
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let is_charset = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("charset")
    };
    if media_type.trim().eq_ignore_ascii_case("application/json")
        && (parameters.is_empty() || is_charset(parameters))
    {
        Ok(())
    } else {
        Err(format!("Content-Type `{content_type}` instead of `application/json`"))
    }
}

/// Each position has a connection of its own, so that one pause serves many and a server that closes
/// after every answer is blamed for that elsewhere.
fn split(address: SocketAddr) -> Outcome {
    /// Few enough for any accept queue, together with the other cases.
    const AT_ONCE: usize = 16;
    let positions: Vec<usize> = (1..ping(10_000).len()).collect();
    positions.chunks(AT_ONCE).try_for_each(|positions| split_at(address, positions))
}

fn split_at(address: SocketAddr, positions: &[usize]) -> Outcome {
    let numbers = 10_000..;
    let mut halfway = Vec::new();
    for (&position, number) in positions.iter().zip(numbers) {
        let mut connection = open(address)?;
        let mut request = ping(number);
        let rest = request.split_off(position);
        connection.send(&request)?;
        halfway.push((connection, position, number, rest));
    }
    thread::sleep(PAUSE);
    for (connection, position, _, rest) in &mut halfway {
        connection
            .expect_idle()
            .and_then(|()| connection.send(rest))
            .map_err(on(format_args!("split after byte {position}")))?;
    }
    for (connection, position, number, _) in &mut halfway {
        next_is(connection, *number).map_err(on(format_args!("split after byte {position}")))?;
    }
    Ok(())
}

/// RFC 9112, 9.3.2: answered in the order of the requests.
fn pipeline(address: SocketAddr) -> Outcome {
    let mut connection = open(address)?;
    let numbers: Vec<u64> = (0..16).map(|index| 7 + index * 1_000_003).collect();
    let requests: Vec<u8> = numbers.iter().copied().flat_map(ping).collect();
    connection.send(&requests)?;
    for (index, number) in numbers.into_iter().enumerate() {
        next_is(&mut connection, number)
            .map_err(on(format_args!("request {} of 16 in one write", index + 1)))?;
    }

    let (first, second) = (ping(101), ping(202));
    let (now, later) = second.split_at(second.len() / 2);
    connection.expect_idle()?;
    connection.send(&[&first, now].concat())?;
    next_is(&mut connection, 101).map_err(on("one request and a half in one write"))?;
    connection.expect_idle()?;
    connection.send(later)?;
    next_is(&mut connection, 202).map_err(on("the rest of a request"))?;

    // An answer too many would be taken for this one's.
    answers(&connection.exchange(&ping(303))?, 303).map_err(on("the request after those"))
}

fn next_is(connection: &mut Connection, number: u64) -> Outcome {
    answers(&connection.response(Asked::Other)?, number)
}

/// RFC 9112, 9.3: a connection of HTTP/1.1 persists.
fn keep_alive(address: SocketAddr) -> Outcome {
    let mut connection = open(address)?;
    for number in 1..=100 {
        connection
            .exchange(&ping(number))
            .map_err(String::from)
            .and_then(|response| answers(&response, number))
            .map_err(on(format_args!("request {number} on one connection")))?;
    }
    Ok(())
}

/// RFC 8259 has none of these.
const BAD_JSON: &[&[u8]] = &[
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

const UNPROCESSABLE: &[u16] = &[400, 422];

fn bad_json(address: SocketAddr) -> Outcome {
    refuses_bodies(address, BAD_JSON)
}

fn refuses_bodies(address: SocketAddr, bodies: &[&[u8]]) -> Outcome {
    for body in bodies {
        refuses(address, &post(body), UNPROCESSABLE).map_err(on(excerpt(body)))?;
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

fn alive_after_bad(address: SocketAddr) -> Outcome {
    // Only so that the server has read the request before the next connection: what it answers, if
    // anything, is not this case's business.
    let moment = Duration::from_millis(50);
    for (number, request) in (1..).zip(bad_requests()) {
        let lost = format_args!("after {}", excerpt(&request)).to_string();
        Connection::open(address, PATIENCE)
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

// Scored cases: JSON.

/// RFC 8259, 2: white space is allowed around the six structural characters.
fn white_space(address: SocketAddr) -> Outcome {
    for space in [" ", "\t", "\n", "\r", " \t\r\n \t\r\n"] {
        let body = ["", "{", "\"sequence\"", ":", "42", "}", ""].join(space);
        ask(address, &post(&body))
            .map_err(String::from)
            .and_then(|response| answers(&response, 42))
            .map_err(on(excerpt(body.as_bytes())))?;
    }
    Ok(())
}

const NO_U64: &[&[u8]] = &[
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

fn number_range(address: SocketAddr) -> Outcome {
    refuses_bodies(address, NO_U64)
}

fn u64_max(address: SocketAddr) -> Outcome {
    // The second is the first that a double cannot hold.
    for number in [u64::MAX, (1 << 53) + 1] {
        is_alive(address, number)?;
    }
    Ok(())
}

/// RFC 8259, 8.3: names are equal when they are so code unit by code unit.
const NO_FIELD: &[&[u8]] =
    &[b"{}", br#"{"sequences":1}"#, br#"{"Sequence":1}"#, br#"{"ping":{"sequence":1}}"#];

fn missing_field(address: SocketAddr) -> Outcome {
    refuses_bodies(address, NO_FIELD)
}

// Scored cases: what is routed where.

/// RFC 9110, 8.3.1: media types are compared without regard to case, and may have parameters.
fn content_type_charset(address: SocketAddr) -> Outcome {
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
fn wrong_types() -> impl Iterator<Item = Vec<u8>> {
    [
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: application/jsonlines",
    ]
    .into_iter()
    .map(|content_type| request("POST /ping HTTP/1.1", &[content_type], body(1).as_bytes()))
}

fn without_type() -> Vec<u8> {
    request("POST /ping HTTP/1.1", &[], body(1).as_bytes())
}

/// RFC 9110, 15.5.16.
fn wrong_content_type(address: SocketAddr) -> Outcome {
    wrong_types().try_for_each(|request| {
        refuses(address, &request, &[415]).map_err(on(second_header(&request)))
    })
}

/// The header that comes after Host.
fn second_header(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    text.lines().nth(2).unwrap_or_default().to_owned()
}

fn first_line(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    text.lines().next().unwrap_or_default().to_owned()
}

fn missing_content_type(address: SocketAddr) -> Outcome {
    refuses(address, &without_type(), &[415])
}

/// Paths are compared byte by byte: RFC 9110, 4.2.3.
fn elsewhere() -> impl Iterator<Item = Vec<u8>> {
    ["/", "/pong", "/pings", "/ping/", "/ping/ping", "/PING"]
        .into_iter()
        .map(|path| {
            let line = format!("POST {path} HTTP/1.1");
            request(&line, &[JSON], body(1).as_bytes())
        })
        .chain([request_head("GET / HTTP/1.1", &[])])
}

fn not_found(address: SocketAddr) -> Outcome {
    elsewhere().try_for_each(|request| {
        refuses(address, &request, &[404]).map_err(on(first_line(&request)))
    })
}

fn other_methods() -> impl Iterator<Item = Vec<u8>> {
    let with_body =
        ["PUT", "PATCH"].map(|method| request(&format!("{method} /ping HTTP/1.1"), &[JSON], b"{}"));
    let without =
        ["GET", "DELETE"].map(|method| request_head(&format!("{method} /ping HTTP/1.1"), &[]));
    with_body.into_iter().chain(without)
}

/// RFC 9110, 15.5.6.
fn method_not_allowed(address: SocketAddr) -> Outcome {
    other_methods().try_for_each(|request| {
        refuses(address, &request, &[405]).map_err(on(first_line(&request)))
    })
}

/// RFC 9110, 15.5.14. The server may answer as soon as it has seen the length, and close.
fn too_large(address: SocketAddr) -> Outcome {
    refuses(address, &post(padded(1, BODY_LIMIT + 1)), &[413])
}

fn largest_body(address: SocketAddr) -> Outcome {
    let response = ask(address, &post(padded(65_536, BODY_LIMIT)))?;
    answers(&response, 65_536)
}

// Scored cases: HTTP.

/// RFC 9110, 6.6.1: an origin server with a clock sends Date; 5.6.7: as IMF-fixdate. Two seconds,
/// since it is cut to whole ones and may be cached for one.
fn date(address: SocketAddr) -> Outcome {
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
fn content_length(address: SocketAddr) -> Outcome {
    match ask(address, &ping(1))?.framing {
        Framing::ContentLength => Ok(()),
        Framing::Chunked => Err("chunked instead of a Content-Length".to_owned()),
        Framing::NoBody | Framing::UntilClose => Err("no Content-Length".to_owned()),
    }
}

/// RFC 9112, 7.1: a recipient must be able to parse the chunked coding.
fn chunked(address: SocketAddr) -> Outcome {
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
fn expect_continue(address: SocketAddr) -> Outcome {
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
fn head(address: SocketAddr) -> Outcome {
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
fn http10(address: SocketAddr) -> Outcome {
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
fn connection_close(address: SocketAddr) -> Outcome {
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

fn many_headers(address: SocketAddr) -> Outcome {
    // With Host, Content-Type and Content-Length they are 64.
    let headers: Vec<String> = (4..=64).map(|index| format!("X-{index}: {index}")).collect();
    with_headers(address, &headers, 64)
}

fn large_header(address: SocketAddr) -> Outcome {
    with_headers(address, &[format!("X-Large: {}", "x".repeat(4096))], 4096)
}

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

fn malformed_request(address: SocketAddr) -> Outcome {
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

fn bad_content_length(address: SocketAddr) -> Outcome {
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
