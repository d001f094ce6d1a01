//! The ping contract, version 1, as cases: `POST /ping` with `{"sequence":N}` is echoed.

mod answer;
mod echo;
mod http;
mod json;
mod malformed;
mod request;
mod routing;

use std::net::SocketAddr;
use std::time::Duration;

use super::exchange::Connection;
use super::{Case, Level, NotReady, Scenario, Turn};

pub const SCENARIO: Scenario = Scenario { name: "ping", cases: CASES, ready };

type Outcome = Result<(), String>;

const fn required(name: &'static str, turn: Turn, run: fn(SocketAddr) -> Outcome) -> Case {
    Case { name, level: Level::Required, turn, run }
}

const fn scored(name: &'static str, turn: Turn, run: fn(SocketAddr) -> Outcome) -> Case {
    Case { name, level: Level::Scored, turn, run }
}

const CASES: &[Case] = &[
    required("echo", Turn::Together, echo::echo),
    required("split", Turn::Together, echo::split),
    required("pipeline", Turn::Together, echo::pipeline),
    required("keep-alive", Turn::Together, echo::keep_alive),
    required("bad-json", Turn::Together, json::bad_json),
    required("alive-after-bad", Turn::Alone, malformed::alive_after_bad),
    scored("white-space", Turn::Together, json::white_space),
    scored("number-range", Turn::Together, json::number_range),
    scored("u64-max", Turn::Together, json::u64_max),
    scored("missing-field", Turn::Together, json::missing_field),
    scored("content-type-charset", Turn::Together, routing::content_type_charset),
    scored("wrong-content-type", Turn::Together, routing::wrong_content_type),
    scored("missing-content-type", Turn::Together, routing::missing_content_type),
    scored("not-found", Turn::Together, routing::not_found),
    scored("method-not-allowed", Turn::Together, routing::method_not_allowed),
    scored("too-large", Turn::Together, routing::too_large),
    scored("largest-body", Turn::Together, routing::largest_body),
    scored("date", Turn::Together, http::date),
    scored("content-length", Turn::Together, http::content_length),
    scored("chunked", Turn::Together, http::chunked),
    scored("expect-continue", Turn::Together, http::expect_continue),
    scored("head", Turn::Together, http::head),
    scored("http10", Turn::Together, http::http10),
    scored("connection-close", Turn::Together, http::connection_close),
    scored("many-headers", Turn::Together, http::many_headers),
    scored("large-header", Turn::Together, http::large_header),
    scored("malformed-request", Turn::Alone, malformed::malformed_request),
    scored("bad-content-length", Turn::Alone, malformed::bad_content_length),
];

/// Long enough for an idle server to read what it has been sent. Should it be slower, two pieces
/// arrive as one: the case is then easier, never wrong.
const PAUSE: Duration = Duration::from_millis(10);

fn ready(address: SocketAddr, timeout: Duration) -> Result<(), NotReady> {
    let number = 1;
    let response = Connection::open(address, timeout)?.exchange(&request::ping(number))?;
    answer::answers(&response, number).map_err(NotReady::Wrong)
}
