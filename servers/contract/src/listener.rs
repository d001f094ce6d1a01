use std::io;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use socket2::{Domain, Socket, Type};

/// Connections that may wait to be accepted, before the kernel drops the next.
///
/// Linux cuts it to `net.core.somaxconn`, which is 4096 by default.
pub const BACKLOG: i32 = 4096;

/// Listens on `addr` with `sockets` sockets, one for each thread that accepts connections itself,
/// and lifts the limit of open descriptors as far as this process may.
///
/// The sockets are non-blocking, and accepted connections inherit `TCP_NODELAY`. More than one
/// socket means `SO_REUSEPORT`.
///
/// # Errors
/// When the address is not of this host, or the port is taken or not permitted.
pub fn listen(addr: SocketAddr, sockets: usize) -> anyhow::Result<Vec<TcpListener>> {
    rlimit::increase_nofile_limit(u64::MAX)
        .context("cannot raise the soft limit of open descriptors to the hard one")?;
    listen_exclusively(addr, sockets).with_context(|| {
        format!(
            "cannot listen on {addr}: choose another --addr or --port, \
             or stop the program that holds it"
        )
    })
}

fn listen_exclusively(addr: SocketAddr, sockets: usize) -> io::Result<Vec<TcpListener>> {
    // Without SO_REUSEPORT, so that a port which a forgotten server still holds is an error; with
    // it, the two would silently share the connections.
    let alone = bind(addr, false)?;
    if sockets == 1 {
        return Ok(vec![alone]);
    }
    drop(alone);
    (0..sockets).map(|_| bind(addr, true)).collect()
}

fn bind(addr: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // Else the connections of a server that just ended keep its port in TIME_WAIT for a minute.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// A port that was free a moment ago.
    fn free_addr() -> SocketAddr {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        taken.local_addr().expect("a bound socket has an address")
    }

    #[test]
    fn a_taken_port_is_an_error_however_many_sockets_hold_or_ask() {
        for holding in [1, 2] {
            let addr = free_addr();
            let held = listen(addr, holding).expect("the port is free");
            assert_eq!(held.len(), holding);
            for asking in [1, 2] {
                let error = listen(addr, asking).expect_err("the port is taken");
                assert!(error.to_string().contains(&addr.to_string()), "{error}");
            }
            drop(held);
            listen(addr, 1).expect("the port is free again");
        }
    }

    #[test]
    fn accepted_connections_do_not_wait_for_acknowledgements() {
        let addr = free_addr();
        let listener = listen(addr, 1).expect("the port is free").remove(0);
        listener.set_nonblocking(false).expect("a socket option");
        let _client = std::net::TcpStream::connect(addr).expect("someone listens");
        let (accepted, _) = listener.accept().expect("the client is in the queue");
        assert!(accepted.nodelay().expect("a socket option"));
    }
}
