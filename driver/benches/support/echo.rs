//! A server that echoes pings and does nothing else, as a child of a bench.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

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
    pub fn start(threads: u32, one_port: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", &threads.to_string()])
            .args(one_port.then_some("--one-port"))
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
}

/// Serves from `threads` threads, each with a listener of its own, until standard input ends.
pub fn serve(Serve { threads, one_port }: Serve) {
    limits::raise_descriptors();
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    for _ in 0..threads {
        let (listening, listens) = mpsc::channel();
        thread::spawn(move || {
            limits::own_descriptor_table();
            let listener = listen(address).unwrap();
            listening.send(listener.local_addr().unwrap()).unwrap();
            echo(listener).unwrap();
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
fn echo(mut listener: TcpListener) -> io::Result<()> {
    const LISTENER: Token = Token(usize::MAX);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    // A place is never used twice: the driver connects once.
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    loop {
        match poll.poll(&mut events, None) {
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
                && answer(stream).is_err()
            {
                *place = None;
            }
        }
    }
}

/// Answers the pings that came; an error ends the connection.
fn answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut request = [0; 4096];
    loop {
        let count = match stream.read(&mut request) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        // On loopback, one small write is one read.
        let end = request[..count].windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let body = &request[end.ok_or(ErrorKind::InvalidData)? + 4..count];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat())?;
        // There was no more than that.
        if count < request.len() {
            return Ok(());
        }
    }
}
