//! The byte stream under a connection: TCP. The only file that knows which kind it is.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, SockRef, Socket, Type};

pub type Stream = mio::net::TcpStream;

/// Begins to connect, from `source` or from where the kernel likes; the stream becomes writable when
/// that is decided, see [`connected`].
///
/// # Errors
/// Those of `socket(2)`, `bind(2)` and `connect(2)` which are known at once.
pub fn connect(target: SocketAddr, source: Option<IpAddr>) -> io::Result<Stream> {
    let socket = match source {
        None => socket(target)?,
        Some(source) => bound(source)?,
    };
    socket.set_nonblocking(true)?;
    let stream = match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => return Err(error),
        _ => Stream::from_std(socket.into()),
    };
    // A request is one write; without this its second half could wait for an acknowledgement.
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn socket(kind: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(kind), Type::STREAM, None)?;
    // `connect` tries every even port before it comes to the odd ones, which takes a millisecond a
    // connection once the even ones are taken; since Linux 6.8 it does not where a socket has a
    // range of its own. This one is the host's, as it is cut to that. Older kernels refuse it or
    // search as before.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::socket::setsockopt(&socket, port_range::IpLocalPortRange, &0xffff_0001);
    Ok(socket)
}

/// `IP_LOCAL_PORT_RANGE`, which no library has yet: the highest port in the upper 16 bits, the lowest
/// in the lower ones.
#[cfg(target_os = "linux")]
mod port_range {
    use nix::libc;
    use nix::sys::socket::sockopt::SetUsize;

    const IP_LOCAL_PORT_RANGE: libc::c_int = 51;

    #[derive(Clone, Copy)]
    pub struct IpLocalPortRange;

    nix::setsockopt_impl!(IpLocalPortRange, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, usize, SetUsize);
}

/// Whether connections can come from `source`: whether it is an address of this host.
///
/// # Errors
/// Those of `socket(2)` and `bind(2)`.
pub fn probe_source(source: IpAddr) -> io::Result<()> {
    bound(source).map(drop)
}

fn bound(source: IpAddr) -> io::Result<Socket> {
    let source = SocketAddr::new(source, 0);
    let socket = socket(source)?;
    // `bind` would choose a port that is free for every target; `connect`, which knows the target,
    // can share one among many.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(&source.into())?;
    Ok(socket)
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
