//! One connection: its stream, and the one request that it may have in flight.

use std::io::{self, Read as _, Write as _};

use crate::pace::Nanos;
use crate::response::{Decoder, Head, HeadCache};
use crate::scenario::Expect;
use crate::tally::Failure;
use crate::transport::Stream;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Closed,
    Connecting,
    /// Open, and nothing is in flight.
    Idle,
    /// A request is in flight.
    Waiting,
}

#[derive(Debug)]
pub struct Connection {
    pub stream: Option<Stream>,
    pub phase: Phase,
    /// Index of the target it belongs to.
    pub target: usize,
    /// Whether the server has ever answered on it. Only then is it known that the server accepted
    /// the connection: the kernel completes a handshake whose connection then waits in, or was
    /// dropped from, the accept queue.
    pub proven: bool,
    /// Failures since the last answer.
    pub failures: u32,
    /// When the request in flight was due, or when the pending `connect` began.
    pub since: Nanos,
    /// The number in the request in flight.
    number: u64,
    /// Body bytes of the response seen so far, and whether all of them were right.
    body_len: usize,
    body_right: bool,
    decoder: Decoder,
    /// What the socket did not take of the request.
    unsent: Vec<u8>,
}

/// What reading brought.
pub enum Received {
    /// Nothing more for now.
    Nothing,
    /// Bytes of a response that is not complete.
    Part,
    /// A complete response; `surplus` when bytes followed it that nobody had asked for.
    Response { head: Head, surplus: bool },
    /// The server closed while nothing was in flight.
    Closed,
}

impl Connection {
    pub fn new(target: usize) -> Self {
        Self {
            stream: None,
            phase: Phase::Closed,
            target,
            proven: false,
            failures: 0,
            since: 0,
            number: 0,
            body_len: 0,
            body_right: true,
            decoder: Decoder::default(),
            unsent: Vec::new(),
        }
    }

    pub fn connecting(&mut self, stream: Stream, now: Nanos) {
        self.stream = Some(stream);
        self.phase = Phase::Connecting;
        self.since = now;
    }

    /// Drops the stream and everything that was in flight on it.
    pub fn close(&mut self) {
        self.stream = None;
        self.phase = Phase::Closed;
        self.decoder.reset();
        self.unsent = Vec::new();
    }

    /// Writes `request`, which carries `number` and was due at `due`.
    ///
    /// # Errors
    /// [`Failure::Write`].
    #[inline]
    pub fn send(&mut self, request: &[u8], number: u64, due: Nanos) -> Result<(), Failure> {
        self.phase = Phase::Waiting;
        self.since = due;
        self.number = number;
        self.body_len = 0;
        self.body_right = true;
        let written = self.write(request)?;
        if written < request.len() {
            self.unsent.extend_from_slice(&request[written..]);
        }
        Ok(())
    }

    /// Whether part of the request in flight has not been written.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Writes what the socket did not take before.
    ///
    /// # Errors
    /// [`Failure::Write`].
    pub fn send_rest(&mut self) -> Result<(), Failure> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let rest = std::mem::take(&mut self.unsent);
        let written = self.write(&rest)?;
        self.unsent.extend_from_slice(&rest[written..]);
        Ok(())
    }

    /// Writes as much as the socket takes; returns how much that was.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let stream = self.stream.as_mut().ok_or(Failure::Write)?;
        let mut written = 0;
        while written < bytes.len() {
            match stream.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Failure::Write),
            }
        }
        Ok(written)
    }

    /// Reads once and decodes what came. Returns that, the number of bytes read, and whether the
    /// socket may hold more.
    ///
    /// # Errors
    /// [`Failure::ReadReset`], [`Failure::ReadClosed`], [`Failure::ReadOther`], [`Failure::Write`]
    /// when the request was still being written, or [`Failure::Protocol`].
    #[inline]
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        to_head: bool,
        cache: &mut HeadCache,
        expect: &mut Expect,
    ) -> Result<(Received, usize, bool), Failure> {
        let Some(stream) = self.stream.as_mut() else { return Ok((Received::Nothing, 0, false)) };
        let count = loop {
            match stream.read(buffer) {
                Ok(0) => return self.end_of_stream().map(|received| (received, 0, false)),
                Ok(count) => break count,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok((Received::Nothing, 0, false)),
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                        let writing = !self.unsent.is_empty();
                        return Err(if writing { Failure::Write } else { Failure::ReadReset });
                    }
                    _ => return Err(Failure::ReadOther),
                },
            }
        };
        // A read that did not fill the buffer emptied the socket; what comes later is a new event.
        let more = count == buffer.len();
        if self.phase != Phase::Waiting {
            return Err(Failure::Protocol);
        }
        let expected: Option<&[u8]> = match expect {
            Expect::Success => None,
            Expect::Exactly { body, .. } => Some(body.with(self.number)),
        };
        let (body_len, body_right) = (&mut self.body_len, &mut self.body_right);
        let decoded = self.decoder.decode(&buffer[..count], to_head, cache, |piece| {
            if let Some(expected) = expected {
                let end = *body_len + piece.len();
                *body_right &= expected.get(*body_len..end) == Some(piece);
                *body_len = end;
            }
        });
        match decoded {
            Err(_) => Err(Failure::Protocol),
            Ok(None) => Ok((Received::Part, count, more)),
            Ok(Some((head, used))) => {
                let surplus = used < count;
                Ok((Received::Response { head, surplus }, count, more))
            }
        }
    }

    fn end_of_stream(&mut self) -> Result<Received, Failure> {
        if self.phase != Phase::Waiting {
            return Ok(Received::Closed);
        }
        match self.decoder.finish() {
            Ok(Some(head)) => Ok(Received::Response { head, surplus: false }),
            Ok(None) | Err(_) => Err(Failure::ReadClosed),
        }
    }

    /// Whether the complete response with this head is the right answer.
    ///
    /// # Errors
    /// [`Failure::Status`] or [`Failure::Body`].
    #[inline]
    pub fn judge(&self, head: Head, expect: &Expect) -> Result<(), Failure> {
        match expect {
            Expect::Success if (200..400).contains(&head.status) => Ok(()),
            Expect::Success => Err(Failure::Status(head.status)),
            Expect::Exactly { status, .. } if head.status != *status => {
                Err(Failure::Status(head.status))
            }
            Expect::Exactly { body, .. } if self.body_right && self.body_len == body.len() => {
                Ok(())
            }
            Expect::Exactly { .. } => Err(Failure::Body),
        }
    }
}
