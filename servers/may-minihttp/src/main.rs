//! The ping contract on may_minihttp: one coroutine per connection, and routing by hand.

mod head;
mod listener;

use std::io::{self, Read};
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::time::Duration;

use contract::{Codec, Json, Options, Ping, SerdeJson, Shutdown, SimdJson};
use head::{BAD_REQUEST, Head, METHOD_NOT_ALLOWED, Status};
use may_minihttp::{HttpService, HttpServiceFactory, Request, Response};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{self, shutdown};

/// Descriptors kept back from connections, so that accepting never runs out of them.
const RESERVED_DESCRIPTORS: u64 = 8;

fn main() -> anyhow::Result<()> {
    let options = Options::parse_for(env!("CARGO_PKG_NAME"));
    match options.json {
        Json::SerdeJson => serve::<SerdeJson>(&options),
        Json::SimdJson => serve::<SimdJson>(&options),
    }
}

fn serve<C: Codec>(options: &Options) -> anyhow::Result<()> {
    let shutdown = Shutdown::install()?;
    let addr = options.socket_addr();
    // may listens by itself and always with SO_REUSEPORT: this is for the errors and the limits.
    drop(contract::listen(addr, 1)?);

    may::config().set_workers(options.threads);
    // The harness decides where a server runs.
    may::config().set_worker_pin(false);
    let connections = Connections::<C> {
        first_reserved: getrlimit(Resource::RLIMIT_NOFILE)?.0 - RESERVED_DESCRIPTORS,
        codec: PhantomData,
    };
    // Dropping its handle leaves the accepting coroutine to run.
    drop(connections.start(addr)?);
    listener::tune(addr)?;

    shutdown.wait();
    Ok(())
}

struct Connections<C> {
    /// Connections whose descriptor is not below this one are refused.
    first_reserved: u64,
    codec: PhantomData<C>,
}

impl<C: Codec> HttpServiceFactory for Connections<C> {
    type Service = Connection<C>;

    fn new_service(&self, id: usize) -> Connection<C> {
        // may_minihttp numbers a connection with its descriptor.
        let connection = Connection { fd: id as RawFd, body: Vec::new(), codec: PhantomData };
        if id as u64 >= self.first_reserved {
            connection.close(socket::Shutdown::Both);
            // With no descriptor left, accepting would fail and be tried again at once, for ever,
            // and leave a lone worker no time to end any connection. Yielding is not enough: new
            // coroutines run only when the worker has no other.
            may::coroutine::sleep(Duration::from_millis(1));
        }
        connection
    }
}

struct Connection<C> {
    fd: RawFd,
    /// The request body under way; kept for its capacity.
    body: Vec<u8>,
    codec: PhantomData<C>,
}

impl<C: Codec> HttpService for Connection<C> {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        let head = Head::of(&request);
        match self.ping(request, &head) {
            Ok(ping) => {
                response.header("Content-Type: application/json");
                response.body_vec(C::encode(ping));
            }
            Err(status) => {
                response.status_code(status.code, status.reason);
                if status == METHOD_NOT_ALLOWED {
                    response.header("Allow: POST");
                }
            }
        }
        if head.close {
            response.header("Connection: close");
            self.close(socket::Shutdown::Read);
        }
        Ok(())
    }
}

impl<C: Codec> Connection<C> {
    fn ping(&mut self, request: Request, head: &Head) -> Result<Ping, Status> {
        let length = head.length?;
        // Dropping the body skips what was not read of it; without asking for it, it would be
        // taken for the next request.
        let mut body = request.body();
        if let Some(refusal) = head.refusal {
            return Err(refusal);
        }
        self.body.clear();
        self.body.reserve(length);
        body.read_to_end(&mut self.body).map_err(|_| BAD_REQUEST)?;
        C::decode(&self.body).map_err(|_| BAD_REQUEST)
    }

    /// Makes may_minihttp find the connection closed at its next read, which is after the answers
    /// to what it has read so far: it has no other way to end a connection.
    fn close(&self, how: socket::Shutdown) {
        // Fails only when the peer was faster.
        let _ = shutdown(self.fd, how);
    }
}
