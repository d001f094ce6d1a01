//! One thread's share of the load: its connections, its event loop, its numbers. Nothing that
//! another thread reads is written here while measuring, but for one progress counter that has a
//! cache line of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use crate::connection::{Connection, Phase, Received};
use crate::job::{Control, Finding, Job};
use crate::limits;
use crate::pace::Nanos;
use crate::ramp::{Ramp, Retries};
use crate::report::Latency;
use crate::request::{FIRST_NUMBER, NUMBERS};
use crate::response::{Head, HeadCache};
use crate::tally::{Failure, Tally};
use crate::transport;

/// First and longest pause before a connection that failed is opened again.
const BACKOFF: (Nanos, Nanos) = (1_000_000, 1_000_000_000);
const EVENTS: usize = 1024;
/// Reads from one connection before the others have their turn.
const READS: usize = 16;
const BUFFER: usize = 64 * 1024;
/// Longest sleep in the event loop, so that a stop is noticed.
const NAP: Nanos = 50_000_000;
/// The same while waiting for the common start.
const SHORT_NAP: Nanos = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Opening connections, a window at a time.
    Ramp,
    /// All are open; the other workers are not ready.
    Wait,
    WarmUp,
    Measure,
    /// Waiting for the answers that were in flight when the window closed.
    Drain,
    Done,
}

pub struct Worker {
    job: Job,
    control: Arc<Control>,
    poll: Poll,
    connections: Vec<Connection>,
    cache: HeadCache,
    stage: Stage,
    /// When the stage ends by itself.
    stage_ends: Nanos,
    tally: Tally,
    before: Option<Tally>,
    connect: Latency,
    /// Requests sent so far: the next one's number.
    sent: u64,
    /// Connections in [`Phase::Waiting`].
    waiting: u64,
    ramp: Ramp,
    /// Proven connections to open again; the others are in the ramp.
    retries: Retries,
    /// Connections whose sockets hold more than was read in one go, and whether they are closing.
    unread: Vec<(usize, bool)>,
    next_sweep: Nanos,
    established: u32,
    reconnects: u64,
    in_flight_at_end: u64,
    window_began: Nanos,
    window_ended: Nanos,
    cpu_began: Duration,
    cpu: Duration,
    age_at_open: Nanos,
    age_at_close: Nanos,
}

impl Worker {
    /// # Errors
    /// The event queue could not be made.
    pub fn new(job: Job, control: Arc<Control>) -> io::Result<Self> {
        let targets = job.targets.len();
        let connections: Vec<Connection> = (0..job.connections)
            .map(|i| Connection::new((job.first_connection + i) as usize % targets))
            .collect();
        let stage_ends = control.now() + job.connect_timeout;
        Ok(Self {
            poll: Poll::new()?,
            ramp: Ramp::new(connections.len(), job.of),
            connections,
            cache: HeadCache::default(),
            stage: Stage::Ramp,
            stage_ends,
            tally: Tally::starting(0),
            before: None,
            connect: Latency::new(),
            sent: 0,
            waiting: 0,
            retries: Retries::default(),
            unread: Vec::new(),
            next_sweep: 0,
            established: 0,
            reconnects: 0,
            in_flight_at_end: 0,
            window_began: 0,
            window_ended: 0,
            cpu_began: Duration::ZERO,
            cpu: Duration::ZERO,
            age_at_open: 0,
            age_at_close: 0,
            job,
            control,
        })
    }

    /// Runs the load from the first connection to the last answer.
    ///
    /// # Errors
    /// The event queue failed; nothing a server does ends up here.
    pub fn run(mut self) -> io::Result<Finding> {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; BUFFER].into_boxed_slice();
        loop {
            let now = self.control.now();
            self.housekeeping(now);
            if self.stage == Stage::Done {
                return Ok(self.finish());
            }
            match self.poll.poll(&mut events, Some(self.nap(now))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for (index, closing) in std::mem::take(&mut self.unread) {
                self.on_readable(index, closing, &mut buffer);
            }
            for event in &events {
                let Token(index) = event.token();
                let writable = event.is_writable() || event.is_error();
                let connecting = self.connections[index].phase == Phase::Connecting;
                if writable && connecting {
                    self.on_writable(index);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.on_readable(index, event.is_read_closed(), &mut buffer);
                }
                // After reading: a server may answer and close before it has read all of a request,
                // and then the answer counts, not that the rest could not be written.
                if writable && !connecting {
                    self.on_writable(index);
                }
            }
            self.sweep_when_due(events.iter().count() < EVENTS);
        }
    }

    /// Everything that time, and not a socket, brings about.
    fn housekeeping(&mut self, now: Nanos) {
        if self.control.stop.load(Ordering::Relaxed) {
            self.stop(now);
        }
        self.keep_time(now);
        while let Some(index) = self.retries.next(now) {
            self.open(index, now);
        }
        while self.ramp.has_room()
            && let Some(index) = self.ramp.retries.next(now)
        {
            self.open(index, now);
        }
        match self.stage {
            Stage::Ramp => self.ramp(now),
            Stage::Wait => self.wait(now),
            Stage::WarmUp | Stage::Measure => {
                self.control.progress[self.job.index as usize]
                    .0
                    .store(self.answered(), Ordering::Relaxed);
            }
            Stage::Drain => {
                if now >= self.stage_ends {
                    // What was sent before the window closed is older than the timeout by now.
                    self.sweep(now);
                    self.stage = Stage::Done;
                } else if self.waiting == 0 {
                    self.stage = Stage::Done;
                }
            }
            Stage::Done => {}
        }
    }

    /// Looks for what is too old. Only when `caught_up`, that is when no answer can be waiting in a
    /// socket for its turn: what the driver is late to read is not the server's fault. A driver that
    /// never catches up looks all the same, a timeout later.
    fn sweep_when_due(&mut self, caught_up: bool) {
        let now = self.control.now();
        let due = if caught_up { self.next_sweep } else { self.next_sweep + self.job.timeout };
        if now >= due {
            self.sweep(now);
            self.next_sweep = now + (self.job.timeout / 10).clamp(1_000_000, 250_000_000);
        }
    }

    fn answered(&self) -> u64 {
        self.tally.requests + self.before.as_ref().map_or(0, |before| before.requests)
    }

    /// How long the event loop may sleep.
    fn nap(&self, now: Nanos) -> Duration {
        if !self.unread.is_empty() {
            return Duration::ZERO;
        }
        let mut until = now
            + match self.stage {
                Stage::Wait => SHORT_NAP,
                _ => NAP,
            };
        if self.stage != Stage::Wait {
            until = until.min(self.stage_ends);
        }
        if let Some(due) = self.retries.due() {
            until = until.min(due);
        }
        if let Some(due) = self.ramp.retries.due().filter(|_| self.ramp.has_room()) {
            until = until.min(due);
        }
        until = until.min(self.next_sweep);
        Duration::from_nanos(until.saturating_sub(now))
    }

    /// Opens connections, as many at a time as may be waiting to be accepted.
    fn ramp(&mut self, now: Nanos) {
        while let Some(index) = self.ramp.next() {
            self.open(index, now);
        }
        if self.ramp.is_over() || now >= self.stage_ends {
            self.stage = Stage::Wait;
            // What the ramp never came to is tried while the load runs.
            for index in self.ramp.rest() {
                self.ramp.retries.add(now, index);
            }
            self.control.ready.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wait(&mut self, now: Nanos) {
        if let Some(&begin) = self.control.begin.get()
            && now >= begin
        {
            self.stage = Stage::WarmUp;
            self.stage_ends = begin + self.job.warmup;
            for index in 0..self.connections.len() {
                if self.connections[index].phase == Phase::Idle {
                    self.established += 1;
                    // Each its own moment: thousands of writes take longer than many a request.
                    self.send(index, self.control.now());
                }
            }
        }
    }

    /// Moves on when the stage's time is over. Called before anything that happened at `now` is
    /// counted or acted on, so that it belongs to the stage in which it happened.
    #[inline]
    fn keep_time(&mut self, now: Nanos) {
        if now >= self.stage_ends {
            self.next_stage(now);
        }
    }

    #[cold]
    fn next_stage(&mut self, now: Nanos) {
        if self.stage == Stage::WarmUp && now >= self.stage_ends {
            self.stage = Stage::Measure;
            self.window_began = self.stage_ends;
            self.stage_ends += self.job.duration;
            let measured = Tally::starting(self.window_began);
            self.before = Some(std::mem::replace(&mut self.tally, measured));
            self.cpu_began = limits::thread_cpu();
            self.age_at_open = self.age(self.window_began);
        }
        if self.stage == Stage::Measure && now >= self.stage_ends {
            self.close_window(self.stage_ends);
            self.stage_ends += self.job.timeout;
        }
    }

    fn close_window(&mut self, at: Nanos) {
        self.stage = Stage::Drain;
        self.window_ended = at;
        self.cpu = limits::thread_cpu().saturating_sub(self.cpu_began);
        self.tally.close_tenths(at);
        self.in_flight_at_end = self.waiting;
        self.age_at_close = self.age(at);
    }

    /// How long, in all, the requests in flight have been so at `moment`.
    fn age(&self, moment: Nanos) -> Nanos {
        let waiting = self.connections.iter().filter(|one| one.phase == Phase::Waiting);
        waiting.map(|one| moment.saturating_sub(one.since)).sum()
    }

    /// Ends the run early; a window that is open closes now.
    fn stop(&mut self, now: Nanos) {
        if self.stage == Stage::Measure {
            self.close_window(now.min(self.stage_ends));
        }
        self.stage = Stage::Done;
    }

    /// Fails what is older than the timeout.
    fn sweep(&mut self, now: Nanos) {
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            if now.saturating_sub(connection.since) < self.job.timeout {
                continue;
            }
            match connection.phase {
                Phase::Waiting => self.fail(index, Failure::Timeout, now),
                Phase::Connecting => self.fail(index, Failure::ConnectTimedOut, now),
                Phase::Closed | Phase::Idle => {}
            }
        }
    }

    fn open(&mut self, index: usize, now: Nanos) {
        if matches!(self.stage, Stage::Drain | Stage::Done) {
            return;
        }
        if !self.connections[index].proven {
            self.ramp.opens();
        }
        let address = self.job.targets[self.connections[index].target].address;
        let opened = transport::connect(address).and_then(|mut stream| {
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

    fn on_writable(&mut self, index: usize) {
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
    fn on_readable(&mut self, index: usize, closing: bool, buffer: &mut [u8]) {
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
    fn send(&mut self, index: usize, free: Nanos) {
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
    fn fail(&mut self, index: usize, failure: Failure, now: Nanos) {
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

    fn finish(mut self) -> Finding {
        for stream in self.connections.iter().filter_map(|connection| connection.stream.as_ref()) {
            transport::abandon(stream);
        }
        let (before, measured) = match self.before.take() {
            Some(before) => (before, self.tally),
            // Stopped before the window opened.
            None => (self.tally, Tally::default()),
        };
        Finding {
            connections: self.job.connections,
            established: self.established,
            ramp_end: self.ramp.end,
            connect: self.connect,
            before,
            measured,
            window: self.window_ended - self.window_began,
            in_flight_at_end: self.in_flight_at_end,
            unanswered: if self.window_ended == 0 { 0 } else { self.waiting },
            reconnects: self.reconnects,
            cpu: self.cpu,
            age_at_open: self.age_at_open,
            age_at_close: self.age_at_close,
        }
    }
}
