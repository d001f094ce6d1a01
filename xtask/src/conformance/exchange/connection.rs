//! One connection to a server, every wait on it bounded.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::{Failure, is_reset, is_timeout};
use super::reader::Reader;
use super::response::{Asked, Response};

/// How long a server may stay silent before the silence is the answer. A loaded machine needs some
/// of it; nothing waits for it when all goes well.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// One connection to a server.
pub struct Connection {
    reader: Reader<Timed>,
    patience: Duration,
}

impl Connection {
    /// `patience` bounds the connect, every write, and every response as a whole.
    pub fn open(address: SocketAddr, patience: Duration) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, patience).map_err(Failure::Connect)?;
        // So that every write is a segment of its own.
        stream.set_nodelay(true).map_err(Failure::Io)?;
        stream.set_write_timeout(Some(patience)).map_err(Failure::Io)?;
        let timed = Timed { stream, deadline: Instant::now() };
        Ok(Self { reader: Reader::new(timed), patience })
    }

    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sends a request on an idle connection and reads its response.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Response, Failure> {
        self.expect_idle()?;
        self.send(request)?;
        self.response(Asked::Other)
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.reader.source.stream.write_all(bytes) {
            // The server may have answered before it closed: reading tells what it did.
            Err(error) if is_reset(&error) => Ok(()),
            Err(error) if is_timeout(&error) => Err(Failure::Unread),
            Err(error) => Err(Failure::Io(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Sends the pieces of one request, with a pause between them that lets the server read each by
    /// itself. Fails when something is answered before the last piece.
    pub fn send_pieces<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        pause: Duration,
    ) -> Result<(), Failure> {
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                thread::sleep(pause);
                self.expect_idle()?;
            }
            self.send(piece)?;
        }
        Ok(())
    }

    /// Reads one response, with the interim ones before it.
    pub fn response(&mut self, asked: Asked) -> Result<Response, Failure> {
        self.start_waiting();
        let patience = self.patience;
        self.reader.response(asked).map_err(|f| within(f, patience))
    }

    /// Reads one response head, interim or final, and returns its status.
    pub fn interim(&mut self) -> Result<u16, Failure> {
        self.start_waiting();
        let patience = self.patience;
        let head = self.reader.head().map_err(|f| within(f, patience))?;
        Ok(head.status)
    }

    /// Fails when the server has sent something or has closed. Does not wait.
    pub fn expect_idle(&mut self) -> Result<(), Failure> {
        if !self.reader.buffer.is_empty() {
            return Err(Failure::Unasked(self.reader.buffer.clone()));
        }
        let stream = &self.reader.source.stream;
        let mut bytes = [0; 64];
        stream.set_nonblocking(true).map_err(Failure::Io)?;
        let peeked = stream.peek(&mut bytes);
        stream.set_nonblocking(false).map_err(Failure::Io)?;
        match peeked {
            Ok(0) => Err(Failure::Closed { received: vec![] }),
            Ok(length) => Err(Failure::Unasked(bytes[..length].to_vec())),
            Err(error) if is_timeout(&error) => Ok(()),
            Err(error) if is_reset(&error) => Err(Failure::Reset { received: vec![] }),
            Err(error) => Err(Failure::Io(error)),
        }
    }

    /// Waits until the server closes; fails when it sends anything before, resets, or does not.
    pub fn expect_close(&mut self) -> Result<(), Failure> {
        self.start_waiting();
        if self.reader.buffer.is_empty() {
            match self.reader.more() {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(Failure::Silent { .. }) => return Err(Failure::LeftOpen),
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Unasked(self.reader.buffer.clone()))
    }

    fn start_waiting(&mut self) {
        self.reader.source.deadline = Instant::now() + self.patience;
    }
}

/// The reader cannot know how long its source was willing to wait.
fn within(failure: Failure, patience: Duration) -> Failure {
    match failure {
        Failure::Silent { received, .. } => Failure::Silent { within: patience, received },
        other => other,
    }
}

/// A stream whose reads end at a deadline, so that a server that drips bytes is bounded too.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A connection, and the other end of it.
    fn pair(patience: Duration) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let connection = Connection::open(address, patience).expect("listening");
        (connection, listener.accept().expect("connected").0)
    }

    #[test]
    fn silence_close_and_reset_are_told_apart() {
        let (mut connection, _other) = pair(Duration::from_millis(20));
        let silent = connection.response(Asked::Other).expect_err("silent");
        assert!(matches!(silent, Failure::Silent { .. }), "{silent}");

        let (mut connection, mut other) = pair(PATIENCE);
        other.write_all(b"HTTP/1.1").expect("open");
        drop(other);
        let closed = connection.response(Asked::Other).expect_err("closed");
        assert_eq!(closed.to_string(), "closed without a complete answer, after `HTTP/1.1`");

        let (mut connection, mut other) = pair(PATIENCE);
        connection.send(b"unread").expect("open");
        // Closing with unread bytes resets; one byte of them shows that they have come.
        other.read_exact(&mut [0]).expect("sent");
        drop(other);
        let reset = connection.response(Asked::Other).expect_err("reset");
        assert!(matches!(reset, Failure::Reset { .. }), "{reset}");
    }

    #[test]
    fn a_dripping_server_is_bounded_in_time() {
        let (mut connection, mut other) = pair(Duration::from_millis(100));
        thread::spawn(move || {
            while other.write_all(b"H").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        // The first byte that is wrong would end it too, so let the status line be a long one.
        connection.reader.buffer.extend(b"HTTP/1.1 200 ");
        let silent = connection.response(Asked::Other).expect_err("never ends");
        assert!(matches!(silent, Failure::Silent { .. }), "{silent}");
    }

    #[test]
    fn bytes_that_nobody_asked_for_are_noticed() {
        let (mut connection, mut other) = pair(PATIENCE);
        connection.expect_idle().expect("nothing sent yet");
        other.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab").expect("open");
        let response = connection.response(Asked::Other).expect("complete");
        assert_eq!(response.body, b"a");
        let surplus = connection.exchange(b"GET").expect_err("b");
        assert_eq!(surplus.to_string(), "bytes that nobody asked for: `b`");
        let surplus = connection.expect_close().expect_err("b");
        assert_eq!(surplus.to_string(), "bytes that nobody asked for: `b`");
    }

    #[test]
    fn an_open_connection_is_told_from_a_closed_one() {
        let (mut connection, other) = pair(Duration::from_millis(20));
        let open = connection.expect_close().expect_err("open");
        assert!(matches!(open, Failure::LeftOpen), "{open}");
        drop(other);
        connection.expect_close().expect("closed");
    }
}
