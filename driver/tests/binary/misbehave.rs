//! A small server that does what it is told, right or wrong, and counts both. A thread for each
//! connection; every wait is bounded.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// How often a waiting thread looks whether the server was dropped.
const TICK: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    connections: AtomicU64,
    right: AtomicU64,
    wrong: AtomicU64,
    last_request: Mutex<Option<Request>>,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
}

pub struct Server {
    pub address: SocketAddr,
    counts: Arc<Counts>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// A server that does this with each connection, which is closed afterwards.
    pub fn start(behave: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        Self::on(socket, Ipv4Addr::LOCALHOST.into(), behave)
    }

    /// The same on `[::1]`.
    pub fn v6(behave: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        Self::on(socket, Ipv6Addr::LOCALHOST.into(), behave)
    }

    /// The same with little room for bytes on their way: a large request takes several writes.
    pub fn narrow(behave: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        // The sender's buffer grows with the segments' size.
        socket.set_tcp_mss(536).unwrap();
        Self::on(socket, Ipv4Addr::LOCALHOST.into(), behave)
    }

    fn on(
        socket: Socket,
        host: IpAddr,
        behave: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        socket.bind(&SocketAddr::new(host, 0).into()).unwrap();
        socket.listen(1024).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let behave = Arc::new(behave);
        let acceptor = thread::spawn(move || {
            let mut peers = Vec::new();
            while let Ok((stream, _)) = socket.accept() {
                if shared.stop.load(Ordering::Relaxed) {
                    break;
                }
                let nth = shared.connections.fetch_add(1, Ordering::Relaxed);
                let stream = TcpStream::from(stream);
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(TICK)).unwrap();
                stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut peer =
                    Peer { nth, stream, unread: Vec::new(), counts: Arc::clone(&shared) };
                let behave = Arc::clone(&behave);
                peers.push(thread::spawn(move || behave(&mut peer)));
                peers.retain(|peer| !peer.is_finished());
            }
            for peer in peers {
                let _ = peer.join();
            }
        });
        Self { address, counts, acceptor: Some(acceptor) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// Right answers that were sent.
    pub fn right(&self) -> u64 {
        self.counts.right.load(Ordering::Relaxed)
    }

    /// Requests that got anything else.
    pub fn wrong(&self) -> u64 {
        self.counts.wrong.load(Ordering::Relaxed)
    }

    pub fn last_request(&self) -> Request {
        self.counts.last_request.lock().unwrap().clone().expect("a request came")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// The server's end of one connection.
pub struct Peer {
    /// How many connections were accepted before it.
    pub nth: u64,
    stream: TcpStream,
    unread: Vec<u8>,
    counts: Arc<Counts>,
}

impl Peer {
    /// Where the client connected from.
    pub fn client(&self) -> IpAddr {
        self.stream.peer_addr().unwrap().ip()
    }

    /// The next whole request; `None` when the client has closed.
    pub fn request(&mut self) -> Option<Request> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = String::from_utf8(self.unread[..end].to_vec()).unwrap();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: "))
                    .map_or(0, |length| length.parse().unwrap());
                let whole = end + 4 + length;
                if self.unread.len() >= whole {
                    let body = self.unread[end + 4..whole].to_vec();
                    self.unread.drain(..whole);
                    let request = Request { head, body };
                    *self.counts.last_request.lock().unwrap() = Some(request.clone());
                    return Some(request);
                }
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// Waits for some bytes, and says whether there were any.
    pub fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        while !self.counts.stop.load(Ordering::Relaxed) {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    self.unread.extend_from_slice(&buffer[..count]);
                    return true;
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Answers `count` requests rightly, and returns the one after them.
    pub fn after(&mut self, count: usize) -> Option<Request> {
        for _ in 0..count {
            let request = self.request()?;
            self.answer(&request);
        }
        self.request()
    }

    /// Sends the right answer.
    pub fn answer(&mut self, request: &Request) {
        self.right(&answer(&request.body));
    }

    /// Sends a right answer that looks like this.
    pub fn right(&mut self, bytes: &[u8]) {
        // Counted first: a client cannot know of an answer that is not counted yet.
        self.counts.right.fetch_add(1, Ordering::Relaxed);
        self.send(bytes);
    }

    /// Sends these bytes for an answer.
    pub fn wrong(&mut self, bytes: &[u8]) {
        self.counts.wrong.fetch_add(1, Ordering::Relaxed);
        self.send(bytes);
    }

    /// Sends bytes; returns whether the client still took them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Waits until the client closes.
    pub fn stall(&mut self) {
        while self.read() {}
    }

    /// Makes the close that follows a reset.
    pub fn reset(&mut self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// A response with this body.
pub fn answer(body: &[u8]) -> Vec<u8> {
    with_status("200 OK", body)
}

pub fn with_status(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
