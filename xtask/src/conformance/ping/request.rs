//! Requests, right and wrong, as bytes.

/// Bytes of a request body that a server must take; one more is too many.
pub const BODY_LIMIT: usize = 64 * 1024;

pub const JSON: &str = "Content-Type: application/json";

/// A request whose body has its length announced.
pub fn request(line: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let mut bytes = request_head(line, &[headers, &[length.as_str()]].concat());
    bytes.extend_from_slice(body);
    bytes
}

pub fn request_head(line: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("{line}\r\nHost: localhost\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

pub fn post(body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST /ping HTTP/1.1", &[JSON], body.as_ref())
}

pub fn ping(number: u64) -> Vec<u8> {
    post(body(number))
}

pub fn body(number: u64) -> String {
    format!(r#"{{"sequence":{number}}}"#)
}

/// A legal body of exactly `length` bytes.
pub fn padded(number: u64, length: usize) -> Vec<u8> {
    let mut body = body(number).into_bytes();
    body.resize(length, b' ');
    body
}
