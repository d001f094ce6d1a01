//! What the sockets bring about: the part of a worker that runs once for each request.

use mio::{Interest, Token};

use super::connection::{InFlight, Phase, Received};
use super::{Stage, Worker};
use crate::http::request::{FIRST_NUMBER, NUMBERS};
use crate::http::response::Head;
use crate::pace::Nanos;
use crate::record::{Failure, Timing};
use crate::transport;

/// First and longest pause before a connection that failed is opened again.
const BACKOFF: (Nanos, Nanos) = (1_000_000, 1_000_000_000);
/// Reads from one connection before the others have their turn.
const READS: usize = 16;
/// Sends that were due before what has arrived meanwhile has its turn.
const SENDS: usize = 64;

impl Worker {
    pub(super) fn open(&mut self, index: usize, now: Nanos) {
        if matches!(self.stage, Stage::Drain | Stage::Done) {
            return;
        }
        if !self.connections[index].proven {
            self.ramp.opens();
        }
        let address = self.job.targets[self.connections[index].target as usize].address;
        let opened = transport::connect(address, self.job.source(index)).and_then(|mut stream| {
            self.poll.registry().register(
                &mut stream,
                Token(index),
                // Both at once and edge-triggered: nothing has to be registered again later.
                Interest::READABLE | Interest::WRITABLE,
            )?;
            Ok(stream)
        });
        match opened {
            Ok(stream) => self.connections[index].connecting(stream, now),
            Err(error) => self.fail(index, Failure::of_connect(&error), now),
        }
    }

    pub(super) fn on_writable(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        match (connection.phase, &connection.stream) {
            (Phase::Open, _) => {
                if let Err(failure) = connection.write_rest() {
                    self.fail(index, failure, self.control.now());
                }
            }
            (Phase::Connecting, Some(stream)) => match transport::connected(stream) {
                Ok(None) => {}
                Ok(Some(())) => self.opened(index),
                Err(error) => {
                    self.fail(index, Failure::of_connect(&error), self.control.now());
                }
            },
            _ => {}
        }
    }

    fn opened(&mut self, index: usize) {
        let now = self.control.now();
        self.keep_time(now);
        let connection = &mut self.connections[index];
        self.connect.0.saturating_record(now - connection.since);
        connection.phase = Phase::Open;
        // After a failure it was not free while it was closed.
        connection.free.get_or_insert(now);
        let proven = connection.proven;
        self.open_now += 1;
        // In a mode that opens a connection for each request, that is no event.
        if proven && self.job.keepalive && self.stage == Stage::Measure {
            self.reconnects += 1;
        }
        if self.is_loading() {
            self.feed(index, now);
        } else if !proven && self.stage != Stage::Drain {
            let request = InFlight { due: now, sent: now, number: self.next_number() };
            self.send(index, request);
        }
    }

    /// Whether a free connection sends.
    pub(super) fn is_loading(&self) -> bool {
        matches!(self.stage, Stage::WarmUp | Stage::Measure)
    }

    #[inline]
    pub(super) fn on_readable(&mut self, index: usize, closing: bool, buffer: &mut [u8]) {
        for _ in 0..READS {
            let connection = &mut self.connections[index];
            // A connect that fails is reported by `on_writable`.
            if connection.phase != Phase::Open {
                return;
            }
            match connection.read(buffer) {
                Ok(Received::Bytes(count)) => {
                    if !self.take(index, &buffer[..count]) {
                        return;
                    }
                    // A read that did not fill the buffer emptied the socket; what comes later is a
                    // new event.
                    if count < buffer.len() && !closing {
                        return;
                    }
                }
                Ok(Received::Nothing) => return,
                Ok(Received::End) => return self.ended(index),
                Err(failure) => return self.fail(index, failure, self.control.now()),
            }
        }
        // Edge-triggered: what is left in the socket is not told of again.
        let connection = &mut self.connections[index];
        if connection.unread.is_none() {
            self.unread.push(index);
        }
        connection.unread = Some(closing || connection.unread == Some(true));
    }

    /// Takes bytes that were read, and sends what their answers make room for. Returns whether the
    /// connection goes on.
    #[inline]
    fn take(&mut self, index: usize, mut bytes: &[u8]) -> bool {
        let mut now = 0;
        while !bytes.is_empty() {
            let decoded = self.connections[index].decode(
                bytes,
                self.job.to_head,
                &mut self.cache,
                &mut self.job.expect,
            );
            now = self.control.now();
            self.keep_time(now);
            self.connections[index].note_bytes(now);
            match decoded {
                Err(failure) => {
                    self.fail(index, failure, now);
                    return false;
                }
                Ok(None) => {
                    self.count_bytes(bytes.len());
                    let since = self.connections[index].waiting_since().unwrap_or(now);
                    // A body that comes faster than it is read leaves no time for a sweep.
                    if now.saturating_sub(since) >= self.job.timeout {
                        self.fail(index, Failure::Timeout, now);
                        return false;
                    }
                    break;
                }
                Ok(Some((head, used))) => {
                    self.count_bytes(used);
                    bytes = &bytes[used..];
                    if !self.answer(index, head, !bytes.is_empty(), now) {
                        return false;
                    }
                }
            }
        }
        self.feed(index, now);
        true
    }

    /// The server has closed its side.
    #[cold]
    fn ended(&mut self, index: usize) {
        let now = self.control.now();
        self.keep_time(now);
        match self.connections[index].end_of_stream() {
            Ok(Some(head)) => {
                self.answer(index, head, false, now);
            }
            // Nothing was in flight: as is its right. A pause, as one that does so at once would be
            // connected to without end.
            Ok(None) => self.reset(index, now),
            Err(failure) => self.fail(index, failure, now),
        }
    }

    /// Bytes that are read after the window closed count for nothing.
    #[inline]
    fn count_bytes(&mut self, count: usize) {
        if self.stage != Stage::Drain {
            self.tally.bytes_read += count as u64;
        }
    }

    /// A complete response was parsed at `now`; `more` when bytes followed it. Returns whether the
    /// connection goes on.
    #[inline]
    fn answer(&mut self, index: usize, head: Head, more: bool, now: Nanos) -> bool {
        let connection = &mut self.connections[index];
        let verdict = connection.judge(head, &self.job.expect);
        let half_sent =
            connection.is_half_sent(self.job.targets[connection.target as usize].request.len());
        let Some((request, first_byte)) = connection.answered(now) else { return false };
        // More than was asked for.
        let surplus = more && connection.depth() == 0;
        let failures = std::mem::take(&mut connection.failures);
        self.waiting -= 1;
        let timing = Timing {
            latency: now.saturating_sub(request.due),
            service: now.saturating_sub(request.sent),
            ttfb: first_byte.saturating_sub(request.sent),
        };
        match verdict {
            // Too late is too late, whether or not somebody looked in between.
            Ok(()) if timing.service >= self.job.timeout => self.tally.fail(Failure::Timeout, 1),
            Ok(()) if self.stage != Stage::Drain => {
                self.tally.success(now, timing, self.job.deadline);
            }
            Ok(()) => {}
            // Bytes too many say that the framing is off, which then is the one thing to report.
            Err(_) if surplus => {}
            Err(failure) => self.tally.fail(failure, 1),
        }
        if !self.connections[index].proven {
            self.connections[index].proven = true;
            self.ramp.proves(failures, now);
        }
        if surplus {
            self.fail(index, Failure::Protocol, now);
            return false;
        }
        // After half a request there can be no other on the same connection (RFC 9112 §9.6).
        if !head.keep_alive || half_sent || !self.job.keepalive {
            self.renew(index, now);
            return false;
        }
        true
    }

    /// Sends all that a connection may send at `now`; opens it first, if that is how it is used.
    #[inline]
    pub(super) fn feed(&mut self, index: usize, now: Nanos) {
        if !self.is_loading() {
            return;
        }
        match self.connections[index].phase {
            Phase::Open => {}
            Phase::Ready if self.is_due(index, now) => return self.open(index, now),
            Phase::Ready | Phase::Connecting | Phase::Closed => return,
        }
        if self.job.pipeline == 1 {
            if self.connections[index].depth() == 0
                && let Some(request) = self.next_request(index, now)
            {
                self.send(index, request);
            }
            return;
        }
        self.outgoing.clear();
        while self.connections[index].depth() < self.job.pipeline
            && let Some(request) = self.next_request(index, now)
        {
            let connection = &mut self.connections[index];
            let template = &mut self.job.targets[connection.target as usize].request;
            self.outgoing.extend_from_slice(template.with(request.number));
            connection.push(request);
            self.waiting += 1;
        }
        if let Err(failure) = self.connections[index].write(&self.outgoing) {
            self.fail(index, failure, now);
        }
    }

    /// Whether the pace lets a free connection send at `now`.
    fn is_due(&self, index: usize, now: Nanos) -> bool {
        self.cursor.as_ref().is_none_or(|cursor| {
            let number = cursor.number(self.connections[index].turn, index);
            self.begin.saturating_add(cursor.schedule.due(number)) <= now
        })
    }

    /// The request that a free connection has to send at `now`.
    #[inline]
    fn next_request(&mut self, index: usize, now: Nanos) -> Option<InFlight> {
        let connection = &mut self.connections[index];
        let free = connection.has_room_since().unwrap_or(now);
        let (due, number) = match &self.cursor {
            None => (free, self.next_number()),
            Some(cursor) => {
                let number = cursor.number(connection.turn, index);
                let due = self.begin.saturating_add(cursor.schedule.due(number));
                if due > now {
                    return None;
                }
                connection.turn += 1;
                self.last_send = now;
                if self.stage == Stage::Measure {
                    self.lags.send(now, due, free);
                }
                (due, FIRST_NUMBER + number % NUMBERS)
            }
        };
        Some(InFlight { due, sent: now, number })
    }

    /// The number that the next request of a closed loop carries. Worker i of n takes every n-th, so
    /// that no two requests in flight share one.
    #[inline]
    fn next_number(&mut self) -> u64 {
        let number = self.sent * u64::from(self.job.of) + u64::from(self.job.index);
        self.sent += 1;
        FIRST_NUMBER + number % NUMBERS
    }

    /// Sends one request.
    #[inline]
    fn send(&mut self, index: usize, request: InFlight) {
        let connection = &mut self.connections[index];
        connection.push(request);
        self.waiting += 1;
        let template = &mut self.job.targets[connection.target as usize].request;
        if let Err(failure) = connection.write(template.with(request.number)) {
            self.fail(index, failure, request.sent);
        }
    }

    /// Sends what the schedule says is due.
    pub(super) fn send_due(&mut self) {
        if self.cursor.is_none() || !self.is_loading() {
            return;
        }
        for _ in 0..SENDS {
            // Each its own moment: a send takes longer than the time between two.
            let now = self.control.now();
            self.keep_time(now);
            let elapsed = now.saturating_sub(self.begin);
            let Some(index) = self.cursor.as_mut().and_then(|cursor| cursor.next(elapsed)) else {
                return;
            };
            self.feed(index, now);
        }
    }

    /// The connection is over after an answer, and nothing failed.
    fn renew(&mut self, index: usize, now: Nanos) {
        // What had been sent behind the request that was answered is lost.
        let lost = self.connections[index].depth() as u64;
        self.waiting -= lost;
        self.tally.fail(Failure::ReadClosed, lost);
        self.close(index);
        if self.job.keepalive {
            if self.job.reconnect {
                self.open(index, now);
            } else {
                self.lose();
            }
        } else {
            self.connections[index].phase = Phase::Ready;
            self.feed(index, now);
        }
    }

    fn close(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if connection.phase == Phase::Open {
            self.open_now -= 1;
        }
        connection.close();
    }

    /// A connection is over and stays so.
    fn lose(&mut self) {
        if self.stage == Stage::Measure {
            self.lost += 1;
        }
    }

    /// Counts a failure of all that is in flight, closes the connection and opens it again after a
    /// pause.
    #[cold]
    pub(super) fn fail(&mut self, index: usize, failure: Failure, now: Nanos) {
        self.keep_time(now);
        let in_flight = self.connections[index].depth() as u64;
        self.tally.fail(failure, in_flight.max(1));
        self.waiting -= in_flight;
        self.reset(index, now);
    }

    /// Closes a connection and opens it again after a pause that grows with its failures.
    fn reset(&mut self, index: usize, now: Nanos) {
        self.close(index);
        let connection = &mut self.connections[index];
        connection.free = None;
        connection.failures += 1;
        let (first, longest) = BACKOFF;
        let pause = (first << (connection.failures - 1).min(20)).min(longest);
        if connection.proven {
            if self.job.reconnect {
                self.retries.add(now + pause, index);
            } else {
                self.lose();
            }
        } else {
            self.ramp.fails(connection.failures);
            self.ramp.retries.add(now + pause, index);
        }
    }
}
