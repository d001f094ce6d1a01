//! What is asked of an answer, and what is said when it is another one.

use std::net::SocketAddr;

use super::Outcome;
use super::request::{body, ping};
use crate::conformance::exchange::{Asked, Connection, Failure, PATIENCE, Response, excerpt};

pub fn open(address: SocketAddr) -> Result<Connection, Failure> {
    Connection::open(address, PATIENCE)
}

/// The answer to one request on a new connection.
pub fn ask(address: SocketAddr, request: &[u8]) -> Result<Response, Failure> {
    open(address)?.exchange(request)
}

pub fn answers(response: &Response, number: u64) -> Outcome {
    has_status(response, &[200])?;
    if response.body == body(number).as_bytes() {
        Ok(())
    } else {
        let (seen, asked) = (excerpt(&response.body), body(number));
        Err(format!("answered {seen} instead of `{asked}`"))
    }
}

pub fn next_is(connection: &mut Connection, number: u64) -> Outcome {
    answers(&connection.response(Asked::Other)?, number)
}

fn has_status(response: &Response, any_of: &[u16]) -> Outcome {
    if any_of.contains(&response.status) {
        return Ok(());
    }
    let wanted: Vec<_> = any_of.iter().map(u16::to_string).collect();
    let (wanted, seen) = (wanted.join(" or "), excerpt(&response.body));
    Err(format!("{} with {seen} instead of {wanted}", response.status))
}

/// Whether a refused request got one of the statuses it may get.
pub fn refuses(address: SocketAddr, request: &[u8], any_of: &[u16]) -> Outcome {
    has_status(&ask(address, request)?, any_of)
}

/// Whether a request that cannot be parsed got a 4xx or at least a closed connection.
pub fn refuses_or_closes(address: SocketAddr, request: &[u8]) -> Outcome {
    match ask(address, request) {
        Ok(response) if (400..500).contains(&response.status) => Ok(()),
        Ok(response) => Err(format!("{} instead of a 4xx", response.status)),
        Err(failure @ (Failure::Closed { .. } | Failure::Reset { .. })) if !failure.answered() => {
            Ok(())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Whether a new connection gets a correct answer.
pub fn is_alive(address: SocketAddr, number: u64) -> Outcome {
    answers(&ask(address, &ping(number))?, number)
}

pub fn on<E: Into<String>>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |seen| format!("{what}: {}", seen.into())
}
