//! A client that does the least that a client can: send, wait, receive, send again.
//!
//! It parses and verifies nothing, keeps no time and no histogram, patches no number into a request,
//! notices no error and has no timeouts. It uses the driver's own event queue and system calls, so
//! what the driver takes more than this is what its work takes.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use driver::limits;
use mio::{Events, Interest, Poll, Token};
use nix::time::{ClockId, clock_gettime};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::{Deserialize, Serialize};

/// What the driver sends in the ping scenario, but that the number never changes.
const REQUEST: &[u8] = b"POST /ping HTTP/1.1\r\nHost: 127.0.0.1:12345\r\n\
    Content-Type: application/json\r\nContent-Length: 25\r\n\r\n{\"sequence\":100000000000}";

/// What the bare client is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Bare {
    #[arg(long)]
    pub connections: u32,
    /// In seconds
    #[arg(long)]
    pub warmup: f64,
    /// In seconds
    #[arg(long)]
    pub duration: f64,
    pub targets: Vec<SocketAddr>,
}

/// What it counted inside the window.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Counted {
    pub requests: u64,
    pub cpu_s: f64,
}

pub fn run(told: &Bare) -> io::Result<Counted> {
    limits::raise_descriptors();
    let mut poll = Poll::new()?;
    let mut streams = Vec::new();
    for index in 0..told.connections as usize {
        let stream = TcpStream::connect(told.targets[index % told.targets.len()])?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
        streams.push(stream);
    }
    for stream in &streams {
        send(stream, REQUEST, SendFlags::NOSIGNAL)?;
    }

    let mut events = Events::with_capacity(1024);
    let mut buffer = [0; 16 * 1024];
    let (warmup, duration) = (told.warmup, told.duration);
    let opens = Instant::now() + Duration::from_secs_f64(warmup);
    let mut window: Option<(Instant, Duration)> = None;
    let mut requests = 0;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        let now = Instant::now();
        match window {
            None if now >= opens => {
                window = Some((now + Duration::from_secs_f64(duration), cpu()?));
                requests = 0;
            }
            Some((closes, before)) if now >= closes => {
                let cpu_s = (cpu()? - before).as_secs_f64();
                return Ok(Counted { requests, cpu_s });
            }
            _ => {}
        }
        for event in &events {
            let stream = &streams[event.token().0];
            let (count, _) = recv(stream, &mut buffer[..], RecvFlags::empty())?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            requests += 1;
            send(stream, REQUEST, SendFlags::NOSIGNAL)?;
        }
    }
}

fn cpu() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
