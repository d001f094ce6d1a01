//! One thread's share of the load: its connections, its event loop, its numbers. Nothing that
//! another thread reads is written here while measuring, but for the progress counters, which have a
//! cache line of their own.
//!
//! What time brings about is in this file and in [`clock`], what the sockets bring about in
//! [`traffic`].

mod clock;
pub mod connection;
pub mod job;
mod probe;
mod ramp;
mod traffic;
mod window;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Poll, Token};

use crate::http::response::HeadCache;
use crate::pace::{Cursor, Nanos, Pace};
use crate::record::{Failure, Lags, Recording, Tally};
use crate::report::Latency;
use crate::source::target_of;
use crate::transport;
use clock::Sleeper;
use connection::{Connection, Phase};
use job::{Control, Finding, Job};
use probe::Probe;
use ramp::{Ramp, Retries};
use window::Window;

const EVENTS: usize = 1024;
const BUFFER: usize = 64 * 1024;
/// Longest sleep in the event loop, so that a stop is noticed.
const NAP: Nanos = 50_000_000;
/// The same while waiting for the common start.
const SHORT_NAP: Nanos = 1_000_000;
/// How long before a send is due the sleep of an open loop ends, and how long after one it does not
/// begin while answers are to come: a sleeping thread takes some 50 µs to be back on its core, and on
/// a virtual machine whose host is busy now and then milliseconds.
const AWAKE: Nanos = 1_000_000;

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
    sleeper: Sleeper,
    connections: Vec<Connection>,
    cache: HeadCache,
    /// Requests on their way to one socket, in one write.
    outgoing: Vec<u8>,
    stage: Stage,
    /// When the load began.
    begin: Nanos,
    /// When the stage ends by itself.
    stage_ends: Nanos,
    /// When [`Self::keep_time`] has something to do.
    next_tick: Nanos,
    /// Where the open loop is in its schedule; `None` in a closed loop.
    cursor: Option<Cursor>,
    /// When it last sent something.
    last_send: Nanos,
    tally: Tally,
    before: Option<Tally>,
    connect: Latency,
    lags: Lags,
    probe: Probe,
    /// Requests sent so far in a closed loop: the next one's number.
    sent: u64,
    /// Requests in flight.
    waiting: u64,
    /// Connections in [`Phase::Open`].
    open_now: u32,
    ramp: Ramp,
    /// Proven connections to open again; the others are in the ramp.
    retries: Retries,
    /// Connections whose sockets hold more than was read in one go.
    unread: Vec<usize>,
    next_sweep: Nanos,
    established: u32,
    reconnects: u64,
    lost: u64,
    window: Window,
}

impl Worker {
    /// # Errors
    /// The event queue could not be made.
    pub fn new(job: Job, control: Arc<Control>) -> io::Result<Self> {
        let targets = job.targets.len();
        let connections: Vec<Connection> = (0..job.connections)
            .map(|i| {
                let connection = (job.first_connection + i) as usize;
                Connection::new(target_of(connection, targets) as u32, job.pipeline)
            })
            .collect();
        let stage_ends = control.now() + job.connect_timeout;
        let cursor = match job.pace {
            Pace::Closed => None,
            Pace::Open(schedule) => Some(Cursor::new(
                schedule,
                job.all_connections,
                job.first_connection,
                job.connections,
            )),
        };
        let poll = Poll::new()?;
        Ok(Self {
            sleeper: Sleeper::new(cursor.is_some()),
            poll,
            ramp: Ramp::new(connections.len(), job.of),
            connections,
            cache: HeadCache::default(),
            outgoing: Vec::new(),
            stage: Stage::Ramp,
            begin: 0,
            stage_ends,
            next_tick: stage_ends,
            cursor,
            last_send: 0,
            tally: Tally::starting(0, job.recording.before_the_window()),
            before: None,
            connect: Latency::new(),
            lags: Lags::default(),
            probe: Probe::default(),
            sent: 0,
            waiting: 0,
            open_now: 0,
            retries: Retries::default(),
            unread: Vec::new(),
            next_sweep: 0,
            established: 0,
            reconnects: 0,
            lost: 0,
            window: Window::default(),
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
        // On the stack: from the heap, each read took a tenth longer (bench `floor`, profiled).
        let mut buffer = [0; BUFFER];
        let mut caught_up = true;
        loop {
            let now = self.control.now();
            self.sweep_when_due(now, caught_up);
            self.housekeeping(now);
            if self.stage == Stage::Done {
                return Ok(self.finish());
            }
            let nap = self.nap(now);
            match self.sleeper.wait(&mut self.poll, &mut events, nap) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for index in std::mem::take(&mut self.unread) {
                let closing = self.connections[index].unread.take();
                self.on_readable(index, closing == Some(true), &mut buffer);
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
                // A batch of answers takes longer than the time between two sends.
                if self.cursor.is_some() {
                    self.send_due();
                }
            }
            caught_up = events.iter().count() < EVENTS;
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
            Stage::Ramp => {
                self.ramp(now);
                self.publish();
            }
            Stage::Wait => self.wait(now),
            Stage::WarmUp | Stage::Measure => {
                self.send_due();
                self.publish();
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

    /// Tells the main thread how it goes.
    fn publish(&self) {
        let progress = &self.control.progress[self.job.local as usize];
        let mut answers = self.tally.requests;
        let mut latency_sum = self.tally.latency_sum;
        let mut errors = self.tally.failures;
        if let Some(before) = &self.before {
            answers += before.requests;
            latency_sum += before.latency_sum;
            errors += before.failures;
        }
        progress.answers.store(answers, Ordering::Relaxed);
        progress.latency_sum.store(latency_sum, Ordering::Relaxed);
        progress.errors.store(errors, Ordering::Relaxed);
        progress.open.store(u64::from(self.open_now), Ordering::Relaxed);
    }

    /// Looks for what is too old. Only when `caught_up`, that is when no answer can be waiting in a
    /// socket for its turn: what the driver is late to read is not the server's fault. A driver that
    /// never catches up looks all the same, a timeout later.
    fn sweep_when_due(&mut self, now: Nanos, caught_up: bool) {
        let due = if caught_up { self.next_sweep } else { self.next_sweep + self.job.timeout };
        if now >= due {
            self.sweep(now);
            self.next_sweep = now + (self.job.timeout / 10).clamp(1_000_000, 250_000_000);
        }
    }

    /// How long the event loop may sleep.
    fn nap(&self, now: Nanos) -> Duration {
        if !self.unread.is_empty() {
            return Duration::ZERO;
        }
        let mut until = now + NAP;
        if self.stage == Stage::Wait {
            let begin = self.control.begin.get().copied();
            until = begin.unwrap_or(Nanos::MAX).min(now + SHORT_NAP);
        } else {
            until = until.min(self.stage_ends);
        }
        if let Some(due) = self.retries.due() {
            until = until.min(due);
        }
        if let Some(due) = self.ramp.retries.due().filter(|_| self.ramp.has_room()) {
            until = until.min(due);
        }
        until = until.min(self.next_sweep);
        if let Some(due) = self.next_send() {
            let expecting = self.waiting > 0 && now.saturating_sub(self.last_send) < AWAKE;
            let awake_from = due.saturating_sub(AWAKE);
            if expecting || now >= awake_from {
                return Duration::ZERO;
            }
            until = until.min(awake_from);
        }
        Duration::from_nanos(until.saturating_sub(now))
    }

    /// When an open loop has to send next.
    fn next_send(&self) -> Option<Nanos> {
        let cursor = self.cursor.as_ref()?;
        match self.stage {
            Stage::Wait => self.control.begin.get().copied(),
            _ if self.is_loading() => Some(self.begin.saturating_add(cursor.due)),
            _ => None,
        }
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
        let Some(&begin) = self.control.begin.get() else { return };
        if now < begin {
            return;
        }
        self.stage = Stage::WarmUp;
        self.begin = begin;
        self.stage_ends = begin + self.job.warmup;
        self.next_tick = self.stage_ends;
        for index in 0..self.connections.len() {
            // Each its own moment: thousands of writes take longer than many a request.
            let now = self.control.now();
            // Without a warm-up the window opens at once.
            self.keep_time(now);
            let connection = &mut self.connections[index];
            if connection.proven && matches!(connection.phase, Phase::Open | Phase::Ready) {
                self.established += 1;
            }
            if connection.free.is_some() {
                connection.is_free(now);
            }
            self.feed(index, now);
        }
    }

    /// Moves on when something is over. Called before anything that happened at `now` is counted or
    /// acted on, so that it belongs to the time in which it happened.
    #[inline]
    fn keep_time(&mut self, now: Nanos) {
        if now >= self.next_tick {
            self.tick(now);
        }
    }

    #[cold]
    fn tick(&mut self, now: Nanos) {
        if self.stage == Stage::WarmUp && now >= self.stage_ends {
            self.stage = Stage::Measure;
            self.window.open(self.stage_ends, &self.connections);
            let measured = Tally::starting(self.stage_ends, self.job.recording);
            self.before = Some(std::mem::replace(&mut self.tally, measured));
            self.stage_ends += self.job.duration;
        }
        if self.stage == Stage::Measure {
            let until = now.min(self.stage_ends);
            while self.tally.interval_ends() <= until {
                self.tally.close_interval(self.tally.interval_ends(), self.open_now);
            }
            self.probe.look(now, &self.connections);
            if now >= self.stage_ends {
                self.close_window(self.stage_ends);
                self.stage_ends += self.job.timeout;
            }
        }
        self.next_tick = self.stage_ends;
        if self.stage == Stage::Measure {
            self.next_tick = self.next_tick.min(self.probe.due()).min(self.tally.interval_ends());
        }
    }

    fn close_window(&mut self, at: Nanos) {
        self.stage = Stage::Drain;
        self.window.close(at, &self.connections);
        self.tally.close_tenths(at);
        self.tally.close_interval(at, self.open_now);
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
            let Some(since) = connection.waiting_since() else { continue };
            if now.saturating_sub(since) < self.job.timeout {
                continue;
            }
            let connecting = connection.phase == Phase::Connecting;
            let failure = if connecting { Failure::ConnectTimedOut } else { Failure::Timeout };
            self.fail(index, failure, now);
        }
    }

    fn finish(mut self) -> Finding {
        for stream in self.connections.iter().filter_map(|connection| connection.stream.as_ref()) {
            transport::abandon(stream);
        }
        let (before, measured) = match self.before.take() {
            Some(before) => (before, self.tally),
            // Stopped before the window opened.
            None => (self.tally, Tally::starting(0, Recording::default())),
        };
        Finding {
            connections: self.job.connections,
            established: self.established,
            ramp_end: self.ramp.end,
            connect: self.connect,
            before,
            measured,
            unanswered: if self.window.is_closed() { self.waiting } else { 0 },
            scheduled: self.cursor.as_ref().map_or(0, |cursor| {
                let open = self.window.began().saturating_sub(self.begin);
                cursor.count(open, open + self.window.length())
            }),
            lags: self.lags,
            probe: self.probe,
            window: self.window,
            reconnects: self.reconnects,
            lost: self.lost,
        }
    }
}
