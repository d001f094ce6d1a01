//! One connection: its stream, and the requests that it has in flight.

use std::collections::VecDeque;
use std::io;

use crate::http::response::{Decoder, Head, HeadCache};
use crate::pace::Nanos;
use crate::record::Failure;
use crate::scenario::Expect;
use crate::transport::{self, Stream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opened again when its pause is over, if at all.
    Closed,
    /// Opened when its next request is due: what `--no-keepalive` leaves after an answer.
    Ready,
    Connecting,
    Open,
}

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
pub struct InFlight {
    /// From when its latency counts.
    pub due: Nanos,
    /// When it was written.
    pub sent: Nanos,
    /// The number it carries.
    pub number: u64,
}

/// In the order in which they are written here: what is looked at for each answer comes first, in as
/// few cache lines as can be, since the kernel's own work between two answers empties the cache.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Connection {
    pub stream: Option<Stream>,
    /// Index of the target it belongs to.
    pub target: u32,
    /// Failures since the last answer.
    pub failures: u32,
    pub phase: Phase,
    /// Whether the server has ever answered on it. Only then is it known that the server accepted
    /// the connection: the kernel completes a handshake whose connection then waits in, or was
    /// dropped from, the accept queue.
    pub proven: bool,
    /// Whether all body bytes of the response seen so far were right.
    body_right: bool,
    /// Since when it could have sent: in a closed loop its next request is due from then on, also
    /// when it has to be opened for it. `None` after a failure, when it could not.
    pub free: Option<Nanos>,
    /// The oldest request in flight; without pipelining the only one.
    oldest: Option<InFlight>,
    /// When the first byte of the response being read came.
    first_byte: Option<Nanos>,
    /// Body bytes of the response seen so far.
    body_len: usize,
    /// `None` without pipelining.
    pipeline: Option<Box<Pipeline>>,
    decoder: Decoder,
    /// What the socket did not take of the requests.
    unsent: Vec<u8>,
    /// When the pending `connect` began.
    pub since: Nanos,
    /// Whether it waits for another turn of reading, as its socket held more than was read in one go;
    /// and if so, whether the server has closed its side.
    pub unread: Option<bool>,
    /// In an open loop, how many requests it was given to send: its next turn.
    pub turn: u64,
}

/// What only a connection with several requests in flight has.
#[derive(Debug, Default)]
struct Pipeline {
    /// The requests behind the oldest.
    later: VecDeque<InFlight>,
    /// When each place became free, oldest first.
    freed: VecDeque<Nanos>,
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing more for now.
    Nothing,
    /// The end: the server will send no more.
    End,
}

impl Connection {
    /// A connection to target number `target` that is not open yet, with up to `pipeline` requests
    /// in flight.
    pub fn new(target: u32, pipeline: usize) -> Self {
        Self {
            stream: None,
            target,
            failures: 0,
            phase: Phase::Closed,
            proven: false,
            body_right: true,
            free: None,
            oldest: None,
            first_byte: None,
            body_len: 0,
            pipeline: (pipeline > 1).then(Box::default),
            decoder: Decoder::default(),
            unsent: Vec::new(),
            since: 0,
            unread: None,
            turn: 0,
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
        self.oldest = None;
        if let Some(pipeline) = &mut self.pipeline {
            **pipeline = Pipeline::default();
        }
        self.first_byte = None;
        self.body_len = 0;
        self.body_right = true;
        self.decoder.reset();
        self.unsent = Vec::new();
    }

    /// Requests without an answer, oldest first.
    pub fn in_flight(&self) -> impl Iterator<Item = &InFlight> {
        let later = self.pipeline.iter().flat_map(|pipeline| &pipeline.later);
        self.oldest.iter().chain(later)
    }

    /// How many they are.
    #[inline]
    pub fn depth(&self) -> usize {
        let later = self.pipeline.as_ref().map_or(0, |pipeline| pipeline.later.len());
        usize::from(self.oldest.is_some()) + later
    }

    /// Since when there has been room for the next request; `None` after a failure.
    #[inline]
    pub fn has_room_since(&self) -> Option<Nanos> {
        let freed = self.pipeline.as_ref().and_then(|pipeline| pipeline.freed.front().copied());
        freed.or(self.free)
    }

    /// From `now` on it is free, whatever was before.
    pub fn is_free(&mut self, now: Nanos) {
        self.free = Some(now);
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.freed.clear();
        }
    }

    /// Since when the oldest thing that the server owes an answer to has been waiting for it.
    pub fn waiting_since(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Connecting => Some(self.since),
            _ => self.oldest.map(|request| request.sent),
        }
    }

    /// Whether an answer, or a part of one, lies unread in the socket.
    pub fn has_unread(&self) -> bool {
        self.stream.as_ref().is_some_and(transport::is_readable)
    }

    /// Counts a request as in flight; [`Self::write`] sends it.
    #[inline]
    pub fn push(&mut self, request: InFlight) {
        match &mut self.pipeline {
            None => self.oldest = Some(request),
            Some(pipeline) => {
                pipeline.freed.pop_front();
                if self.oldest.is_none() {
                    self.oldest = Some(request);
                } else {
                    pipeline.later.push_back(request);
                }
            }
        }
    }

    /// Writes `bytes`, whole requests, as far as the socket takes them; the rest follows with
    /// [`Self::write_rest`].
    ///
    /// # Errors
    /// [`Failure::Write`].
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        // Their order must stay what it is.
        let written = if self.unsent.is_empty() { self.write_now(bytes)? } else { 0 };
        if written < bytes.len() {
            self.unsent.extend_from_slice(&bytes[written..]);
        }
        Ok(())
    }

    /// Writes what the socket did not take before.
    ///
    /// # Errors
    /// [`Failure::Write`].
    pub fn write_rest(&mut self) -> Result<(), Failure> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let rest = std::mem::take(&mut self.unsent);
        let written = self.write_now(&rest)?;
        self.unsent.extend_from_slice(&rest[written..]);
        Ok(())
    }

    /// Writes as much as the socket takes; returns how much that was.
    fn write_now(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let stream = self.stream.as_ref().ok_or(Failure::Write)?;
        let mut written = 0;
        while written < bytes.len() {
            match transport::send(stream, &bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Failure::Write),
            }
        }
        Ok(written)
    }

    /// Reads once.
    ///
    /// # Errors
    /// What the read failed with.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Received, Failure> {
        let Some(stream) = &self.stream else { return Ok(Received::Nothing) };
        loop {
            match transport::receive(stream, buffer) {
                Ok(0) => return Ok(Received::End),
                Ok(count) => return Ok(Received::Bytes(count)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(Received::Nothing),
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                        let writing = !self.unsent.is_empty();
                        return Err(if writing { Failure::Write } else { Failure::ReadReset });
                    }
                    _ => return Err(Failure::ReadOther),
                },
            }
        }
    }

    /// Takes bytes that were read as the next ones of the answer to the oldest request in flight.
    /// Returns its head and how many of the bytes belong to it once it is complete.
    ///
    /// # Errors
    /// [`Failure::Protocol`]: they are no answer, or nothing was asked.
    #[inline]
    pub fn decode(
        &mut self,
        bytes: &[u8],
        to_head: bool,
        cache: &mut HeadCache,
        expect: &mut Expect,
    ) -> Result<Option<(Head, usize)>, Failure> {
        let request = self.oldest.ok_or(Failure::Protocol)?;
        let expected: Option<&[u8]> = match expect {
            Expect::Success => None,
            Expect::Exactly { body, .. } => Some(body.with(request.number)),
        };
        let (body_len, body_right) = (&mut self.body_len, &mut self.body_right);
        self.decoder
            .decode(bytes, to_head, cache, |piece| {
                if let Some(expected) = expected {
                    let end = *body_len + piece.len();
                    *body_right &= expected.get(*body_len..end) == Some(piece);
                    *body_len = end;
                }
            })
            .map_err(|_| Failure::Protocol)
    }

    /// The server will send no more. Returns the head of the response that ends with the connection,
    /// if that is what is being read.
    ///
    /// # Errors
    /// [`Failure::ReadClosed`] when a request is left without an answer.
    pub fn end_of_stream(&mut self) -> Result<Option<Head>, Failure> {
        if self.depth() == 0 {
            return Ok(None);
        }
        match self.decoder.finish() {
            Ok(Some(head)) => Ok(Some(head)),
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

    /// Bytes came at `now`: the first ones of an answer, if none of it had come before.
    #[inline]
    pub fn note_bytes(&mut self, now: Nanos) {
        self.first_byte.get_or_insert(now);
    }

    /// The oldest request was answered, completely, at `now`. Returns it and when the first byte of
    /// the answer came; `None` when nothing was in flight.
    #[inline]
    pub fn answered(&mut self, now: Nanos) -> Option<(InFlight, Nanos)> {
        self.free = Some(now);
        self.body_len = 0;
        self.body_right = true;
        let first_byte = self.first_byte.take().unwrap_or(now);
        let next = self.pipeline.as_mut().and_then(|pipeline| {
            pipeline.freed.push_back(now);
            pipeline.later.pop_front()
        });
        let request = std::mem::replace(&mut self.oldest, next)?;
        Some((request, first_byte))
    }

    /// Whether part of the oldest request in flight has not been written; each is `length` long.
    pub fn is_half_sent(&self, length: usize) -> bool {
        let later = self.depth().saturating_sub(1);
        self.unsent.len() > later * length
    }
}
