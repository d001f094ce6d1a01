//! A response, and how long its body is.

use super::failure::Failure;

/// Bytes in a body.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;

/// What the request was, as far as it decides how its response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Head,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its status or because of HEAD.
    NoBody,
    ContentLength,
    Chunked,
    UntilClose,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Statuses of the 1xx responses that came before.
    pub interim: Vec<u16>,
    pub status: u16,
    /// Names as they were sent, in order.
    pub headers: Vec<(String, String)>,
    pub framing: Framing,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header that must be there once.
    pub fn header(&self, name: &str) -> Result<&str, String> {
        let mut values = named(&self.headers, name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(format!("no {name} header")),
            (Some(_), Some(_)) => Err(format!("more than one {name} header")),
        }
    }
}

fn named<'a, 'n>(
    headers: &'a [(String, String)],
    name: &'n str,
) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
    headers
        .iter()
        .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// What comes before a body.
pub(super) struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

/// How long the body is: RFC 9112, 6.3. A length that could be read in two ways is an error.
pub(super) fn framing(asked: Asked, head: &Head) -> Result<(Framing, usize), Failure> {
    if asked == Asked::Head || matches!(head.status, 204 | 304) {
        return Ok((Framing::NoBody, 0));
    }
    let lengths: Vec<_> = named(&head.headers, "content-length").collect();
    let codings: Vec<_> = named(&head.headers, "transfer-encoding").collect();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok((Framing::UntilClose, 0)),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok((Framing::Chunked, 0)),
        // `parse` alone would take a plus sign too.
        ([length], []) if length.starts_with(|c: char| c.is_ascii_digit()) => length
            .parse()
            .ok()
            .filter(|length| *length <= BODY_LIMIT)
            .map(|length| (Framing::ContentLength, length))
            .ok_or_else(Failure::too_long),
        _ => Err(Failure::malformed(format!(
            "Content-Length {lengths:?} with Transfer-Encoding {codings:?}"
        ))),
    }
}
