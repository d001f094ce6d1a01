//! Cuts what a server sends into responses, strictly.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use super::failure::{Failure, excerpt, is_reset, is_timeout};
use super::response::{Asked, BODY_LIMIT, Framing, Head, Response, framing};

/// Bytes in a response's head, or in a chunk's size line, or in a trailer.
const HEAD_LIMIT: usize = 64 * 1024;
const HEADER_LIMIT: usize = 128;
const INTERIM_LIMIT: usize = 8;

/// Cuts a byte stream into responses. What follows a response stays in `buffer`.
pub(super) struct Reader<R> {
    pub source: R,
    pub buffer: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub fn new(source: R) -> Self {
        Self { source, buffer: Vec::new() }
    }

    pub fn response(&mut self, asked: Asked) -> Result<Response, Failure> {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.head()?;
            if !(100..200).contains(&head.status) {
                break head;
            }
            if interim.len() == INTERIM_LIMIT {
                return Err(Failure::malformed("interim responses without end"));
            }
            interim.push(head.status);
        };
        let (framing, length) = framing(asked, &head)?;
        let body = match framing {
            Framing::NoBody => Vec::new(),
            Framing::ContentLength => self.take(length)?,
            Framing::Chunked => self.chunks()?,
            Framing::UntilClose => self.rest()?,
        };
        Ok(Response { interim, status: head.status, headers: head.headers, framing, body })
    }

    pub fn head(&mut self) -> Result<Head, Failure> {
        loop {
            // The parser skips empty lines here, as a lenient client may. They are bytes too many.
            if let Some(b'\r' | b'\n') = self.buffer.first() {
                return Err(Failure::Unasked(self.buffer.clone()));
            }
            let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
            let mut parsed = httparse::Response::new(&mut headers);
            match parsed.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let head = Head {
                        status: parsed.code.unwrap_or_default(),
                        headers: owned(parsed.headers),
                    };
                    self.buffer.drain(..length);
                    return Ok(head);
                }
                Ok(httparse::Status::Partial) => self.need(HEAD_LIMIT)?,
                Err(error) => {
                    let seen = excerpt(&self.buffer);
                    return Err(Failure::malformed(format!("{error} in {seen}")));
                }
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        while self.buffer.len() < length {
            self.need(usize::MAX)?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// RFC 9112, 7.1.
    fn chunks(&mut self) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        loop {
            let size = self.chunk_size()?;
            if size == 0 {
                break;
            }
            if size > BODY_LIMIT - body.len() {
                return Err(Failure::too_long());
            }
            body.extend(self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return Err(Failure::malformed("a chunk longer than its size says"));
            }
        }
        loop {
            let mut trailers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
            match httparse::parse_headers(&self.buffer, &mut trailers) {
                Ok(httparse::Status::Complete((length, _))) => {
                    self.buffer.drain(..length);
                    return Ok(body);
                }
                Ok(httparse::Status::Partial) => self.need(HEAD_LIMIT)?,
                Err(error) => return Err(Failure::malformed(format!("{error} in a trailer"))),
            }
        }
    }

    fn chunk_size(&mut self) -> Result<usize, Failure> {
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((length, size))) => {
                    self.buffer.drain(..length);
                    return usize::try_from(size).map_err(|_| Failure::too_long());
                }
                Ok(httparse::Status::Partial) => self.need(HEAD_LIMIT)?,
                Err(error) => return Err(Failure::malformed(error)),
            }
        }
    }

    fn rest(&mut self) -> Result<Vec<u8>, Failure> {
        while self.more()? {
            if self.buffer.len() > BODY_LIMIT {
                return Err(Failure::too_long());
            }
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Reads more into a buffer that must not outgrow `limit`.
    fn need(&mut self, limit: usize) -> Result<(), Failure> {
        if self.buffer.len() > limit {
            return Err(Failure::too_long());
        }
        if self.more()? {
            Ok(())
        } else {
            Err(Failure::Closed { received: std::mem::take(&mut self.buffer) })
        }
    }

    /// Reads once; false at the end of the stream.
    pub fn more(&mut self) -> Result<bool, Failure> {
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.source.read(&mut bytes) {
                Ok(length) => {
                    self.buffer.extend_from_slice(&bytes[..length]);
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let received = std::mem::take(&mut self.buffer);
                    return Err(if is_timeout(&error) {
                        Failure::Silent { within: Duration::ZERO, received }
                    } else if is_reset(&error) {
                        Failure::Reset { received }
                    } else {
                        Failure::Io(error)
                    });
                }
            }
        }
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_owned(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;

    /// Yields its pieces one read at a time, then the end of the stream.
    struct Pieces<'a> {
        bytes: &'a [u8],
        /// Lengths of the reads; what is left after them comes at once.
        lengths: std::vec::IntoIter<usize>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.lengths.next().unwrap_or(usize::MAX);
            let length = length.min(self.bytes.len()).min(buffer.len());
            let (now, later) = self.bytes.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.bytes = later;
            Ok(length)
        }
    }

    /// What is read of `bytes` and what is left in the buffer, as text so that it can be compared.
    fn read(
        asked: Asked,
        bytes: &[u8],
        lengths: Vec<usize>,
    ) -> (Result<Response, String>, Vec<u8>) {
        let lengths = lengths.into_iter();
        let mut reader = Reader::new(Pieces { bytes, lengths });
        let response = reader.response(asked).map_err(String::from);
        reader.more().expect("a slice cannot fail");
        (response, reader.buffer)
    }

    fn whole(bytes: &[u8]) -> (Result<Response, String>, Vec<u8>) {
        read(Asked::Other, bytes, vec![])
    }

    /// Every form of a response, each followed by bytes that belong to something else where the
    /// form has an end.
    const RESPONSES: &[(Asked, &str, &str, &str)] = &[
        (Asked::Other, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", "HTTP/1.1 2"),
        (Asked::Other, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", "x"),
        (
            Asked::Other,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n",
            "abc0123456789",
            "HTTP",
        ),
        (
            Asked::Other,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nDigest: x\r\n\r\n",
            "a",
            "\r\n",
        ),
        (Asked::Other, "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", "", "HTTP/1.1 200"),
        (Asked::Other, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", "y"),
        (Asked::Head, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "", "body"),
        (Asked::Other, "HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end", ""),
        (
            Asked::Other,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "ok",
            "!",
        ),
    ];

    const MALFORMED: &[&str] = &[
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200",
        "",
    ];

    #[test]
    fn every_form_is_read_to_its_end_and_no_further() {
        for (asked, bytes, body, following) in RESPONSES {
            let (response, left) = read(*asked, format!("{bytes}{following}").as_bytes(), vec![]);
            assert_eq!(response.expect(bytes).body, body.as_bytes(), "{bytes}");
            assert_eq!(left, following.as_bytes(), "{bytes}");
        }
    }

    #[test]
    fn interim_responses_are_skipped_but_recorded() {
        let (response, _) = whole(RESPONSES[8].1.as_bytes());
        assert_eq!(response.expect("complete").interim, [100, 103]);
    }

    #[test]
    fn what_is_wrong_is_never_repaired() {
        for bytes in MALFORMED {
            whole(bytes.as_bytes()).0.expect_err(bytes);
        }
    }

    #[test]
    fn endless_answers_are_bounded() {
        let head = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(2 * HEAD_LIMIT));
        let body = format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(2 * BODY_LIMIT));
        let chunk = "1000\r\n".to_owned() + &"a".repeat(0x1000) + "\r\n";
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
            + &chunk.repeat(2 * BODY_LIMIT / 0x1000);
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
        for bytes in [head, body, chunks, interim] {
            let seen = whole(bytes.as_bytes()).0.expect_err("longer than allowed");
            assert!(seen.starts_with("not HTTP/1.1"), "{seen}");
        }
    }

    proptest! {
        #[test]
        fn how_bytes_arrive_changes_nothing(
            index in 0..RESPONSES.len() + MALFORMED.len(),
            lengths in prop::collection::vec(1..12usize, 0..80),
        ) {
            let (asked, bytes) = match RESPONSES.get(index) {
                Some((asked, bytes, _, following)) => (*asked, format!("{bytes}{following}")),
                None => (Asked::Other, MALFORMED[index - RESPONSES.len()].to_owned()),
            };
            let (expected, _) = read(asked, bytes.as_bytes(), vec![]);
            let (found, _) = read(asked, bytes.as_bytes(), lengths);
            match (expected, found) {
                (Ok(expected), Ok(found)) => prop_assert_eq!(expected, found),
                // How much of what is wrong had arrived shows in the message.
                (expected, found) => prop_assert!(expected.is_err() && found.is_err()),
            }
        }
    }
}
