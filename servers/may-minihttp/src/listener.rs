use std::fs;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, RawFd};

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::socket::{SockaddrStorage, getpeername, getsockname};
use socket2::SockRef;

/// Gives the listener on `addr` the backlog and the `TCP_NODELAY` of the other servers.
///
/// # Errors
/// When this process has no listener on `addr`, or cannot see its own descriptors.
pub fn tune(addr: SocketAddr) -> anyhow::Result<()> {
    let fd = descriptor(addr).with_context(|| format!("cannot find the listener on {addr}"))?;
    #[expect(unsafe_code, reason = "may_minihttp lends its listener in no other way")]
    // SAFETY: the listener belongs to the accepting coroutine, which ends only with the process.
    let listener = unsafe { BorrowedFd::borrow_raw(fd) };
    let listener = SockRef::from(&listener);
    // Accepted connections inherit it.
    listener.set_tcp_nodelay(true)?;
    // Again, because the backlog of may's own call is 1024.
    listener.listen(contract::BACKLOG)?;
    Ok(())
}

fn descriptor(addr: SocketAddr) -> anyhow::Result<RawFd> {
    let addr = SockaddrStorage::from(addr);
    for entry in fs::read_dir("/dev/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A connection that was accepted already has the same address, but a peer besides.
        if getsockname(fd) == Ok(addr) && getpeername::<SockaddrStorage>(fd) == Err(Errno::ENOTCONN)
        {
            return Ok(fd);
        }
    }
    anyhow::bail!("no descriptor in /dev/fd has that address")
}
