//! A blocking HTTP/1.1 client for tests of servers. It writes whatever bytes it is given and reads
//! exactly one response at a time, strictly: bounded in bytes and in time, and never repairing what
//! a server got wrong.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// How long a server may stay silent before the silence is the answer. A loaded machine needs some
/// of it; nothing waits for it when all goes well.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes in a response's head, or in a chunk's size line, or in a trailer.
const HEAD_LIMIT: usize = 64 * 1024;
const HEADER_LIMIT: usize = 128;
const BODY_LIMIT: usize = 1024 * 1024;
const INTERIM_LIMIT: usize = 8;

/// Why there is no response.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no answer within {} ms{}", .within.as_millis(), after(.received))]
    Silent { within: Duration, received: Vec<u8> },
    #[error("closed without a complete answer{}", after(.received))]
    Closed { received: Vec<u8> },
    #[error("reset without a complete answer{}", after(.received))]
    Reset { received: Vec<u8> },
    #[error("not HTTP/1.1: {0}")]
    Malformed(String),
    #[error("bytes that nobody asked for: {}", excerpt(.0))]
    Unasked(Vec<u8>),
    #[error("answered, but left the connection open")]
    LeftOpen,
    #[error("does not read what it is sent")]
    Unread,
    #[error("{0}")]
    Io(io::Error),
}

impl Failure {
    /// Whether the server sent anything at all.
    pub fn answered(&self) -> bool {
        match self {
            Self::Silent { received, .. }
            | Self::Closed { received }
            | Self::Reset { received } => !received.is_empty(),
            Self::Malformed(_) | Self::Unasked(_) | Self::LeftOpen => true,
            Self::Connect(_) | Self::Unread | Self::Io(_) => false,
        }
    }
}

/// A case says what was seen as text.
impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

fn after(received: &[u8]) -> String {
    if received.is_empty() { String::new() } else { format!(", after {}", excerpt(received)) }
}

/// Bytes in a message: printable, on one line, and short.
pub fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    // JSON is hard to read with its quotes escaped.
    let text = shown.escape_ascii().to_string().replace("\\\"", "\"");
    if shown.len() == bytes.len() {
        format!("`{text}`")
    } else {
        format!("`{text}…` ({} bytes)", bytes.len())
    }
}

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

/// One connection to a server.
pub struct Connection {
    reader: Reader<Timed>,
    patience: Duration,
}

impl Connection {
    /// `patience` bounds the connect, every write, and every response as a whole.
    pub fn open(address: SocketAddr, patience: Duration) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, patience).map_err(Failure::Connect)?;
        // So that every write is a segment of its own.
        stream.set_nodelay(true).map_err(Failure::Io)?;
        stream.set_write_timeout(Some(patience)).map_err(Failure::Io)?;
        let timed = Timed { stream, deadline: Instant::now() };
        Ok(Self { reader: Reader::new(timed), patience })
    }

    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sends a request on an idle connection and reads its response.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Response, Failure> {
        self.expect_idle()?;
        self.send(request)?;
        self.response(Asked::Other)
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.reader.source.stream.write_all(bytes) {
            // The server may have answered before it closed: reading tells what it did.
            Err(error) if is_reset(&error) => Ok(()),
            Err(error) if is_timeout(&error) => Err(Failure::Unread),
            Err(error) => Err(Failure::Io(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Sends the pieces of one request, with a pause between them that lets the server read each by
    /// itself. Fails when something is answered before the last piece.
    pub fn send_pieces<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        pause: Duration,
    ) -> Result<(), Failure> {
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                thread::sleep(pause);
                self.expect_idle()?;
            }
            self.send(piece)?;
        }
        Ok(())
    }

    /// Reads one response, with the interim ones before it.
    pub fn response(&mut self, asked: Asked) -> Result<Response, Failure> {
        self.start_waiting();
        let patience = self.patience;
        self.reader.response(asked).map_err(|f| within(f, patience))
    }

    /// Reads one response head, interim or final, and returns its status.
    pub fn interim(&mut self) -> Result<u16, Failure> {
        self.start_waiting();
        let patience = self.patience;
        let head = self.reader.head().map_err(|f| within(f, patience))?;
        Ok(head.status)
    }

    /// Fails when the server has sent something or has closed. Does not wait.
    pub fn expect_idle(&mut self) -> Result<(), Failure> {
        if !self.reader.buffer.is_empty() {
            return Err(Failure::Unasked(self.reader.buffer.clone()));
        }
        let stream = &self.reader.source.stream;
        let mut bytes = [0; 64];
        stream.set_nonblocking(true).map_err(Failure::Io)?;
        let peeked = stream.peek(&mut bytes);
        stream.set_nonblocking(false).map_err(Failure::Io)?;
        match peeked {
            Ok(0) => Err(Failure::Closed { received: vec![] }),
            Ok(length) => Err(Failure::Unasked(bytes[..length].to_vec())),
            Err(error) if is_timeout(&error) => Ok(()),
            Err(error) if is_reset(&error) => Err(Failure::Reset { received: vec![] }),
            Err(error) => Err(Failure::Io(error)),
        }
    }

    /// Waits until the server closes; fails when it sends anything before, resets, or does not.
    pub fn expect_close(&mut self) -> Result<(), Failure> {
        self.start_waiting();
        if self.reader.buffer.is_empty() {
            match self.reader.more() {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(Failure::Silent { .. }) => return Err(Failure::LeftOpen),
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Unasked(self.reader.buffer.clone()))
    }

    fn start_waiting(&mut self) {
        self.reader.source.deadline = Instant::now() + self.patience;
    }
}

/// The reader cannot know how long its source was willing to wait.
fn within(failure: Failure, patience: Duration) -> Failure {
    match failure {
        Failure::Silent { received, .. } => Failure::Silent { within: patience, received },
        other => other,
    }
}

fn is_timeout(error: &io::Error) -> bool {
    // Which of the two depends on the platform.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}

/// A stream whose reads end at a deadline, so that a server that drips bytes is bounded too.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

/// Cuts a byte stream into responses. What follows a response stays in `buffer`.
struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
}

impl<R: Read> Reader<R> {
    fn new(source: R) -> Self {
        Self { source, buffer: Vec::new() }
    }

    fn response(&mut self, asked: Asked) -> Result<Response, Failure> {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.head()?;
            if !(100..200).contains(&head.status) {
                break head;
            }
            if interim.len() == INTERIM_LIMIT {
                return Err(malformed("interim responses without end"));
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

    fn head(&mut self) -> Result<Head, Failure> {
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
                    return Err(malformed(format!("{error} in {seen}")));
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
                return Err(too_long());
            }
            body.extend(self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return Err(malformed("a chunk longer than its size says"));
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
                Err(error) => return Err(malformed(format!("{error} in a trailer"))),
            }
        }
    }

    fn chunk_size(&mut self) -> Result<usize, Failure> {
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((length, size))) => {
                    self.buffer.drain(..length);
                    return usize::try_from(size).map_err(|_| too_long());
                }
                Ok(httparse::Status::Partial) => self.need(HEAD_LIMIT)?,
                Err(error) => return Err(malformed(error)),
            }
        }
    }

    fn rest(&mut self) -> Result<Vec<u8>, Failure> {
        while self.more()? {
            if self.buffer.len() > BODY_LIMIT {
                return Err(too_long());
            }
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Reads more into a buffer that must not outgrow `limit`.
    fn need(&mut self, limit: usize) -> Result<(), Failure> {
        if self.buffer.len() > limit {
            return Err(too_long());
        }
        if self.more()? {
            Ok(())
        } else {
            Err(Failure::Closed { received: std::mem::take(&mut self.buffer) })
        }
    }

    /// Reads once; false at the end of the stream.
    fn more(&mut self) -> Result<bool, Failure> {
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

/// How long the body is: RFC 9112, 6.3. A length that could be read in two ways is an error.
fn framing(asked: Asked, head: &Head) -> Result<(Framing, usize), Failure> {
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
            .ok_or_else(too_long),
        _ => {
            Err(malformed(format!("Content-Length {lengths:?} with Transfer-Encoding {codings:?}")))
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

fn malformed(what: impl ToString) -> Failure {
    Failure::Malformed(what.to_string())
}

fn too_long() -> Failure {
    malformed("longer than any answer here can be")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::TcpListener;

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

    /// A connection, and the other end of it.
    fn pair(patience: Duration) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let connection = Connection::open(address, patience).expect("listening");
        (connection, listener.accept().expect("connected").0)
    }

    #[test]
    fn silence_close_and_reset_are_told_apart() {
        let (mut connection, _other) = pair(Duration::from_millis(20));
        let silent = connection.response(Asked::Other).expect_err("silent");
        assert!(matches!(silent, Failure::Silent { .. }), "{silent}");

        let (mut connection, mut other) = pair(PATIENCE);
        other.write_all(b"HTTP/1.1").expect("open");
        drop(other);
        let closed = connection.response(Asked::Other).expect_err("closed");
        assert_eq!(closed.to_string(), "closed without a complete answer, after `HTTP/1.1`");

        let (mut connection, mut other) = pair(PATIENCE);
        connection.send(b"unread").expect("open");
        // Closing with unread bytes resets; one byte of them shows that they have come.
        other.read_exact(&mut [0]).expect("sent");
        drop(other);
        let reset = connection.response(Asked::Other).expect_err("reset");
        assert!(matches!(reset, Failure::Reset { .. }), "{reset}");
    }

    #[test]
    fn a_dripping_server_is_bounded_in_time() {
        let (mut connection, mut other) = pair(Duration::from_millis(100));
        thread::spawn(move || {
            while other.write_all(b"H").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        // The first byte that is wrong would end it too, so let the status line be a long one.
        connection.reader.buffer.extend(b"HTTP/1.1 200 ");
        let silent = connection.response(Asked::Other).expect_err("never ends");
        assert!(matches!(silent, Failure::Silent { .. }), "{silent}");
    }

    #[test]
    fn bytes_that_nobody_asked_for_are_noticed() {
        let (mut connection, mut other) = pair(PATIENCE);
        connection.expect_idle().expect("nothing sent yet");
        other.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab").expect("open");
        let response = connection.response(Asked::Other).expect("complete");
        assert_eq!(response.body, b"a");
        let surplus = connection.exchange(b"GET").expect_err("b");
        assert_eq!(surplus.to_string(), "bytes that nobody asked for: `b`");
        let surplus = connection.expect_close().expect_err("b");
        assert_eq!(surplus.to_string(), "bytes that nobody asked for: `b`");
    }

    #[test]
    fn an_open_connection_is_told_from_a_closed_one() {
        let (mut connection, other) = pair(Duration::from_millis(20));
        let open = connection.expect_close().expect_err("open");
        assert!(matches!(open, Failure::LeftOpen), "{open}");
        drop(other);
        connection.expect_close().expect("closed");
    }
}
