use contract::{MAX_BODY, is_json};
use may_minihttp::Request;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub code: usize,
    pub reason: &'static str,
}

pub const BAD_REQUEST: Status = Status { code: 400, reason: "Bad Request" };
const NOT_FOUND: Status = Status { code: 404, reason: "Not Found" };
pub const METHOD_NOT_ALLOWED: Status = Status { code: 405, reason: "Method Not Allowed" };
const LENGTH_REQUIRED: Status = Status { code: 411, reason: "Length Required" };
const CONTENT_TOO_LARGE: Status = Status { code: 413, reason: "Content Too Large" };
const UNSUPPORTED_MEDIA_TYPE: Status = Status { code: 415, reason: "Unsupported Media Type" };

/// What a request's head decides.
pub struct Head {
    /// How many bytes of body follow, or the answer to a head that does not say. may_minihttp
    /// panics on a length that is no number, and takes a chunked body for the next request.
    pub length: Result<usize, Status>,
    /// The answer, when it does not depend on the body.
    pub refusal: Option<Status>,
    /// Whether the connection ends with the answer.
    pub close: bool,
}

impl Head {
    pub fn of(request: &Request) -> Self {
        let mut content_length = None;
        let mut length = Ok(0);
        let mut json = false;
        // HTTP/1.0 has keep-alive as an extension, which is not offered here.
        let mut close = request.version() == 0;
        for header in request.headers() {
            let (name, value) = (header.name, header.value);
            if name.eq_ignore_ascii_case("content-length") {
                length = match content_length.replace(value) {
                    None => parse_length(value).ok_or(BAD_REQUEST),
                    Some(_) => Err(BAD_REQUEST),
                };
            } else if name.eq_ignore_ascii_case("content-type") {
                json = is_json(value);
            } else if name.eq_ignore_ascii_case("connection") {
                close |= names_close(value);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = Err(LENGTH_REQUIRED);
            }
        }

        let path = request.path();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let refusal = if path != contract::PATH {
            Some(NOT_FOUND)
        } else if request.method() != "POST" {
            Some(METHOD_NOT_ALLOWED)
        } else if !json {
            Some(UNSUPPORTED_MEDIA_TYPE)
        } else if length.is_ok_and(|length| length > MAX_BODY) {
            Some(CONTENT_TOO_LARGE)
        } else {
            None
        };
        Self {
            length,
            refusal,
            // Where a body of unknown length ends, and so the next request starts, is unknown.
            close: close || length.is_err(),
        }
    }
}

/// A `Content-Length`: digits only, where `parse` would also take a sign.
fn parse_length(value: &[u8]) -> Option<usize> {
    let digits = str::from_utf8(value).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

fn names_close(connection: &[u8]) -> bool {
    connection
        .split(|&byte| byte == b',')
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_that_fit() {
        assert_eq!(parse_length(b"0"), Some(0));
        assert_eq!(parse_length(b"65536"), Some(65536));
        for value in ["", "abc", "-1", "+1", "1.0", "1, 1", "99999999999999999999999"] {
            assert_eq!(parse_length(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn close_is_one_of_the_options() {
        for value in ["close", "Close", "upgrade, close", "close,x"] {
            assert!(names_close(value.as_bytes()), "{value}");
        }
        for value in ["", "keep-alive", "closed", "not close"] {
            assert!(!names_close(value.as_bytes()), "{value}");
        }
    }
}
