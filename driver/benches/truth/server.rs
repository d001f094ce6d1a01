//! A server that notes when it read each request and when it wrote the answer, and that freezes or
//! takes its time as it is told.
//!
//! A child of the bench: one thread, on a CPU of its own, always awake, so that what it adds to a
//! latency is what it was told to add. It says its address on a line, ends when its input does, and
//! then writes what it noted.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use driver::limits;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};

use crate::cpu;
use crate::expect::Seen;

/// The first number of a schedule.
pub const FIRST: u64 = 100_000_000_000;
const LISTENER: Token = Token(usize::MAX);
/// Time between the beginnings of two freezes, the first included.
pub const PERIOD: u64 = 10_000_000_000;
/// How long a freeze lasts.
pub const FREEZE: u64 = 1_000_000_000;
/// Bytes of an entry in what it writes.
const ENTRY: usize = 24;

/// What a server is told to do.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Behaviour {
    /// Do nothing for a second, ten seconds after the first connection and every ten seconds
    #[arg(long)]
    pub freeze: bool,
    /// Write each answer so many microseconds after its request was read
    #[arg(long, default_value_t = 0)]
    pub delay_us: u64,
}

/// Nanoseconds of the monotonic clock.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    Duration::from(now).as_nanos() as u64
}

/// Reads what [`serve`] wrote.
pub fn read_back(bytes: &[u8]) -> Vec<Seen> {
    let field =
        |entry: &[u8], at: usize| u64::from_le_bytes(entry[8 * at..8 * at + 8].try_into().unwrap());
    bytes
        .chunks_exact(ENTRY)
        .map(|entry| Seen {
            number: field(entry, 0),
            read: field(entry, 1),
            written: field(entry, 2),
        })
        .collect()
}

/// Serves until its input ends.
pub fn serve(behaviour: Behaviour, own_cpu: usize) -> io::Result<()> {
    cpu::pin(&[own_cpu]);
    limits::raise_descriptors();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        stopped.store(true, Ordering::Relaxed);
    });
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(4096)?;
    let mut listener = TcpListener::from_std(socket.into());
    println!("{}", listener.local_addr()?);

    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut delayed: VecDeque<(u64, usize, u64)> = VecDeque::new();
    let mut seen = Vec::with_capacity(4_000_000);
    let mut next_freeze = u64::MAX;
    while !stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(connections.len());
                    poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    connections.push(Some(stream));
                    if behaviour.freeze && next_freeze == u64::MAX {
                        next_freeze = now() + PERIOD;
                    }
                }
                continue;
            }
            let Token(index) = event.token();
            if let Some(number) = request(&mut connections[index]) {
                delayed.push_back((now(), index, number));
            }
        }
        while let Some(&(read, index, number)) = delayed.front()
            && now() >= read + behaviour.delay_us * 1000
        {
            delayed.pop_front();
            let written = now();
            answer(connections[index].as_mut(), number);
            seen.push(Seen { number, read, written });
        }
        if now() >= next_freeze {
            thread::sleep(Duration::from_nanos(FREEZE));
            next_freeze += PERIOD;
        }
    }
    let mut bytes = Vec::with_capacity(seen.len() * ENTRY);
    for seen in seen {
        for field in [seen.number, seen.read, seen.written] {
            bytes.extend(field.to_le_bytes());
        }
    }
    io::stdout().write_all(&bytes)
}

/// The number of the request that came, which comes in one piece.
fn request(connection: &mut Option<TcpStream>) -> Option<u64> {
    let mut buffer = [0; 1024];
    match connection.as_mut()?.read(&mut buffer) {
        Ok(0) => *connection = None,
        Ok(count) => {
            let digits = buffer[..count].iter().rev().skip(1).take(12).rev();
            return Some(digits.fold(0, |number, digit| 10 * number + u64::from(digit - b'0')));
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(_) => *connection = None,
    }
    None
}

fn answer(connection: Option<&mut TcpStream>, number: u64) {
    let Some(connection) = connection else { return };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n\
         {{\"sequence\":{number}}}"
    );
    // A client that has gone needs no answer.
    let _ = connection.write_all(answer.as_bytes());
}
