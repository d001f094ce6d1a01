//! The bytes of a request, built once and patched in place.

use std::fmt::Write as _;

/// Digits of the number that a request carries.
pub const DIGITS: usize = 12;
/// The smallest number of that width: numbers have no leading zeros, which JSON forbids.
pub const FIRST_NUMBER: u64 = 100_000_000_000;
/// How many numbers there are; after the last one the first comes again.
pub const NUMBERS: u64 = 900_000_000_000;

/// Bytes with a place for a number of [`DIGITS`] digits, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    bytes: Vec<u8>,
    slot: Option<usize>,
}

impl Template {
    /// Bytes that are always the same.
    pub fn fixed(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), slot: None }
    }

    /// `before`, a number, `after`.
    pub fn numbered(before: &str, after: &str) -> Self {
        let bytes = format!("{before}{FIRST_NUMBER}{after}").into_bytes();
        Self { bytes, slot: Some(before.len()) }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes with `number`, which is below `FIRST_NUMBER + NUMBERS` and at least
    /// `FIRST_NUMBER`, in their place.
    #[inline]
    pub fn with(&mut self, number: u64) -> &[u8] {
        if let Some(slot) = self.slot {
            // Groups of four, so that no digit has to wait for eleven divisions before its own.
            let groups = [number / 100_000_000, number / 10_000 % 10_000, number % 10_000];
            let digits = self.bytes[slot..slot + DIGITS].chunks_exact_mut(4);
            for (digits, group) in digits.zip(groups.map(|group| group as u16)) {
                let (high, low) = (group / 100, group % 100);
                let group = [high / 10, high % 10, low / 10, low % 10];
                digits.copy_from_slice(&group.map(|digit| b'0' + digit as u8));
            }
        }
        &self.bytes
    }

    /// The template with `head` put before it.
    fn after(self, head: String) -> Self {
        let slot = self.slot.map(|slot| slot + head.len());
        let mut bytes = head.into_bytes();
        bytes.extend(self.bytes);
        Self { bytes, slot }
    }
}

/// What is sent, but for the number in it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query, as the request line has it.
    pub path: String,
    /// Name and value, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    pub body: Template,
}

impl Request {
    /// The whole request in HTTP/1.1. `host` is used unless the headers have their own.
    pub fn encode(self, host: &str) -> Template {
        let has =
            |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        // Writing to a String cannot fail.
        if !has("host") {
            let _ = write!(head, "Host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // These methods have a body, if only an empty one (RFC 9110 §8.6); some servers insist.
        let takes_body = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        let framed = has("content-length") || has("transfer-encoding");
        if (takes_body || !self.body.is_empty()) && !framed {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        self.body.after(head)
    }
}
