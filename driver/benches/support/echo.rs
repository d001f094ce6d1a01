//! A server that echoes pings and does nothing else, as a child of a bench.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use driver::limits;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

/// The server's process.
pub struct Server {
    child: Child,
    /// One for each thread, or one for all.
    pub urls: Vec<String>,
}

impl Server {
    /// Starts this program again as the server, with what becomes a call of [`serve`].
    pub fn start(told: Serve) -> Self {
        let Serve { threads, one_port, awake } = told;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", &threads.to_string()])
            .args(one_port.then_some("--one-port"))
            .args(awake.then_some("--awake"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut urls: Vec<String> = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .take(threads as usize)
            .map(|address| format!("http://{}/", address.unwrap()))
            .collect();
        urls.dedup();
        Self { child, urls }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What the server is told.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Serve {
    pub threads: u32,
    /// All threads share one port
    #[arg(long)]
    pub one_port: bool,
    /// Never sleep, so that no client has to wake it up
    #[arg(long)]
    pub awake: bool,
}

/// Serves from `threads` threads, each with a listener of its own, until standard input ends.
pub fn serve(Serve { threads, one_port, awake }: Serve) {
    limits::raise_descriptors();
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    for _ in 0..threads {
        let (listening, listens) = mpsc::channel();
        thread::spawn(move || {
            limits::own_descriptor_table();
            let listener = listen(address).unwrap();
            listening.send(listener.local_addr().unwrap()).unwrap();
            echo(listener, awake).unwrap();
        });
        let own = listens.recv().unwrap();
        println!("{own}");
        if one_port {
            address = own;
        }
    }
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Answers each ping with its own body.
fn echo(mut listener: TcpListener, awake: bool) -> io::Result<()> {
    const LISTENER: Token = Token(usize::MAX);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let nap = awake.then_some(Duration::ZERO);
    let mut response = Vec::new();
    // A place is never used twice: the driver connects once.
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    loop {
        match poll.poll(&mut events, nap) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(streams.len());
                    poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    streams.push(Some(stream));
                }
            } else if let place = &mut streams[event.token().0]
                && let Some(stream) = place
                && answer(stream, &mut response).is_err()
            {
                *place = None;
            }
        }
    }
}

/// Answers the pings that came; an error ends the connection.
fn answer(stream: &mut TcpStream, response: &mut Vec<u8>) -> io::Result<()> {
    let mut request = [0; 4096];
    loop {
        let count = match stream.read(&mut request) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        // On loopback, one small write is one read; and a ping has no line break in its body.
        let line = request[..count].iter().rposition(|byte| *byte == b'\n');
        let body = &request[line.ok_or(ErrorKind::InvalidData)? + 1..count];
        response.clear();
        write!(response, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
        response.extend_from_slice(body);
        stream.write_all(response)?;
        // There was no more than that.
        if count < request.len() {
            return Ok(());
        }
    }
}
