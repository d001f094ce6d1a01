//! What the sockets bring about: the part of a worker that runs once for each request.

use mio::{Interest, Token};

use super::{Stage, Worker};
use crate::connection::{Phase, Received};
use crate::pace::Nanos;
use crate::request::{FIRST_NUMBER, NUMBERS};
use crate::response::Head;
use crate::tally::Failure;
use crate::transport;

/// First and longest pause before a connection that failed is opened again.
const BACKOFF: (Nanos, Nanos) = (1_000_000, 1_000_000_000);
/// Reads from one connection before the others have their turn.
const READS: usize = 16;

impl Worker {
    pub(super) fn open(&mut self, index: usize, now: Nanos) {
        if matches!(self.stage, Stage::Drain | Stage::Done) {
            return;
        }
        if !self.connections[index].proven {
            self.ramp.opens();
        }
        let address = self.job.targets[self.connections[index].target].address;
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
            (Phase::Waiting, _) => {
                if let Err(failure) = connection.send_rest() {
                    self.fail(index, failure, self.control.now());
                }
            }
            (Phase::Connecting, Some(stream)) => match transport::connected(stream) {
                Ok(None) => {}
                Ok(Some(())) => {
                    let now = self.control.now();
                    self.connect.0.saturating_record(now - connection.since);
                    connection.phase = Phase::Idle;
                    let proven = connection.proven;
                    self.keep_time(now);
                    if proven && self.stage == Stage::Measure {
                        self.reconnects += 1;
                    }
                    let prove = !proven && self.stage != Stage::Drain;
                    if prove || self.is_loading() {
                        self.send(index, now);
                    }
                }
                Err(error) => {
                    self.fail(index, Failure::of_connect(&error), self.control.now());
                }
            },
            _ => {}
        }
    }

    /// Whether a free connection sends.
    fn is_loading(&self) -> bool {
        matches!(self.stage, Stage::WarmUp | Stage::Measure)
    }

    #[inline]
    pub(super) fn on_readable(&mut self, index: usize, closing: bool, buffer: &mut [u8]) {
        for _ in 0..READS {
            let connection = &mut self.connections[index];
            // A connect that fails is reported by `on_writable`.
            if matches!(connection.phase, Phase::Closed | Phase::Connecting) {
                return;
            }
            let received =
                connection.receive(buffer, self.job.to_head, &mut self.cache, &mut self.job.expect);
            let now = self.control.now();
            self.keep_time(now);
            match received {
                Err(failure) => return self.fail(index, failure, now),
                Ok((Received::Nothing, ..)) => return,
                Ok((Received::Closed, ..)) => return self.closed_while_idle(index, now),
                Ok((Received::Part, count, more)) => {
                    self.count_bytes(count);
                    let since = self.connections[index].since;
                    // A body that comes faster than it is read leaves no time for a sweep.
                    if now.saturating_sub(since) >= self.job.timeout {
                        return self.fail(index, Failure::Timeout, now);
                    }
                    if !more && !closing {
                        return;
                    }
                }
                Ok((Received::Response { head, surplus }, count, more)) => {
                    self.count_bytes(count);
                    if !self.answer(index, head, surplus, now) || (!more && !closing) {
                        return;
                    }
                }
            }
        }
        // Edge-triggered: what is left in the socket is not told of again.
        self.unread.push((index, closing));
    }

    /// Bytes that are read after the window closed count for nothing.
    #[inline]
    fn count_bytes(&mut self, count: usize) {
        if self.stage != Stage::Drain {
            self.tally.bytes_read += count as u64;
        }
    }

    /// A complete response was parsed at `now`. Returns whether the connection goes on.
    #[inline]
    fn answer(&mut self, index: usize, head: Head, surplus: bool, now: Nanos) -> bool {
        let connection = &mut self.connections[index];
        let verdict = connection.judge(head, &self.job.expect);
        let latency = now.saturating_sub(connection.since);
        let failures = std::mem::take(&mut connection.failures);
        connection.phase = Phase::Idle;
        self.waiting -= 1;
        match verdict {
            // Too late is too late, whether or not somebody looked in between.
            Ok(()) if latency >= self.job.timeout => self.tally.fail(Failure::Timeout),
            Ok(()) if self.stage != Stage::Drain => self.tally.success(now, latency),
            Ok(()) => {}
            // Bytes too many say that the framing is off, which then is the one thing to report.
            Err(_) if surplus => {}
            Err(failure) => self.tally.fail(failure),
        }
        if !connection.proven {
            connection.proven = true;
            self.ramp.proves(failures, now);
        }
        if surplus {
            self.fail(index, Failure::Protocol, now);
            return false;
        }
        // After half a request there can be no other on the same connection (RFC 9112 §9.6).
        if !head.keep_alive || self.connections[index].has_unsent() {
            self.reopen(index, now);
            return false;
        }
        if self.is_loading() {
            self.send(index, now);
        }
        true
    }

    /// Sends the next request on a connection that has been free since `free`.
    #[inline]
    pub(super) fn send(&mut self, index: usize, free: Nanos) {
        let due = self.job.pace.due(free);
        // Worker i of n takes every n-th number, so that no two requests in flight share one.
        let number = self.sent * u64::from(self.job.of) + u64::from(self.job.index);
        let number = FIRST_NUMBER + number % NUMBERS;
        self.sent += 1;
        self.waiting += 1;
        let connection = &mut self.connections[index];
        let request = self.job.targets[connection.target].request.with(number);
        if let Err(failure) = connection.send(request, number, due) {
            self.fail(index, failure, free);
        }
    }

    /// The connection is over and nothing was in flight on it: no failure.
    fn reopen(&mut self, index: usize, now: Nanos) {
        self.connections[index].close();
        self.open(index, now);
    }

    /// The server closed a connection on which nothing was in flight: as is its right. A pause, as
    /// one that does so at once would be connected to without end.
    #[cold]
    fn closed_while_idle(&mut self, index: usize, now: Nanos) {
        let connection = &mut self.connections[index];
        connection.close();
        connection.failures += 1;
        self.retry(index, now);
    }

    /// Opens a connection again after a pause that grows with its failures.
    fn retry(&mut self, index: usize, now: Nanos) {
        let connection = &self.connections[index];
        let (first, longest) = BACKOFF;
        let pause = (first << connection.failures.saturating_sub(1).min(20)).min(longest);
        let retries = if connection.proven { &mut self.retries } else { &mut self.ramp.retries };
        retries.add(now + pause, index);
    }

    /// Counts a failure, closes the connection and opens it again after a pause.
    #[cold]
    pub(super) fn fail(&mut self, index: usize, failure: Failure, now: Nanos) {
        self.keep_time(now);
        self.tally.fail(failure);
        let connection = &mut self.connections[index];
        if connection.phase == Phase::Waiting {
            self.waiting -= 1;
        }
        connection.close();
        connection.failures += 1;
        let failures = connection.failures;
        if !connection.proven {
            self.ramp.fails(failures);
        }
        self.retry(index, now);
    }
}
