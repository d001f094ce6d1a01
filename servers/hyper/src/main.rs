//! The ping contract on hyper alone: its HTTP/1 connection, and routing by hand.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::time::Duration;

use contract::{Codec, Json, Options, SerdeJson, SimdJson, is_json};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

fn main() -> anyhow::Result<()> {
    let options = Options::parse_for(env!("CARGO_PKG_NAME"));
    match options.json {
        Json::SerdeJson => contract::serve_on_threads(&options, accept::<SerdeJson>),
        Json::SimdJson => contract::serve_on_threads(&options, accept::<SimdJson>),
    }
}

async fn accept<C: Codec>(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let service =
                    service_fn(async |request| Ok::<_, Infallible>(route::<C>(request).await));
                // An error here is the peer's (a reset, a malformed request) and ends with it.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            // The peer gave up while it waited; the next one may be fine.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                ) => {}
            // Out of descriptors or memory: the connection stays in the queue, so asking again at
            // once would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn route<C: Codec>(request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != contract::PATH {
        return status(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::POST {
        let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    ping::<C>(request).await.unwrap_or_else(status)
}

async fn ping<C: Codec>(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, StatusCode> {
    let content_type = request.headers().get(CONTENT_TYPE);
    if !content_type.is_some_and(|value| is_json(value.as_bytes())) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = Limited::new(request.into_body(), contract::MAX_BODY).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        }
    })?;
    let ping = C::decode(&body.to_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut response = Response::new(Full::from(C::encode(ping)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
