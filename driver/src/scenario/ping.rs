//! `POST /ping` with a number, which must come back.

use super::{Exchange, Expect};
use crate::http::request::{Request, Template};

pub const NAME: &str = "ping";

pub fn exchange() -> Exchange {
    let body = Template::numbered("{\"sequence\":", "}");
    Exchange {
        request: Request {
            method: "POST".into(),
            path: "/ping".into(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.clone(),
        },
        expect: Expect::Exactly { status: 200, body },
    }
}
