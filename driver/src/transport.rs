//! The byte stream under a connection: TCP. The only file that knows which kind it is.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;

pub type Stream = mio::net::TcpStream;

/// Begins to connect; the stream becomes writable when that is decided, see [`connected`].
///
/// # Errors
/// Those of `socket(2)` and `connect(2)` which are known at once.
pub fn connect(address: SocketAddr) -> io::Result<Stream> {
    let stream = Stream::connect(address)?;
    // A request is one write; without this its second half could wait for an acknowledgement.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether a stream that became writable is connected; `None` when that is still open.
///
/// # Errors
/// Why the connection failed.
pub fn connected(stream: &Stream) -> io::Result<Option<()>> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(Some(())),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends as much as the socket takes; returns how many bytes that was.
///
/// # Errors
/// Those of `send(2)`, `WouldBlock` when it takes nothing now.
#[inline]
pub fn send(stream: &Stream, bytes: &[u8]) -> io::Result<usize> {
    // Straight into the kernel: as a cancellation point of POSIX threads, libc's `send` costs the
    // driver 2 % of its CPU. The same holds for `recv`.
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}

/// Receives into `buffer`; returns how many bytes came, 0 at the end of the stream.
///
/// # Errors
/// Those of `recv(2)`, `WouldBlock` when there is nothing now.
#[inline]
pub fn receive(stream: &Stream, buffer: &mut [u8]) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(stream, buffer, RecvFlags::empty())?;
    Ok(count)
}

/// Whether a read would find something. Unlike a peek, it leaves a pending error to the read.
pub fn is_readable(stream: &Stream) -> bool {
    let mut polled = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Makes closing the stream send a reset instead of leaving its port in `TIME_WAIT` for a minute:
/// for the end of a run, when tens of thousands of ports would be missing from the next one.
pub fn abandon(stream: &Stream) {
    // If the option cannot be set, the close is an ordinary one.
    let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
}
