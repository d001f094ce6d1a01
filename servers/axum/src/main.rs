//! The ping contract on axum: a router, and an extractor like `axum::Json` over the chosen codec.

use std::marker::PhantomData;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use contract::{Codec, Options, Ping, SerdeJson, SimdJson, is_json};
use tokio::net::TcpListener;

/// Made once: from a `&str`, each answer would make its own.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn main() -> anyhow::Result<()> {
    let options = Options::parse_for(env!("CARGO_PKG_NAME"));
    match options.json {
        contract::Json::SerdeJson => contract::serve_on_threads(&options, serve::<SerdeJson>),
        contract::Json::SimdJson => contract::serve_on_threads(&options, serve::<SimdJson>),
    }
}

async fn serve<C: Codec>(listener: TcpListener) {
    let router = Router::new()
        .route(contract::PATH, post(ping::<C>))
        .layer(DefaultBodyLimit::max(contract::MAX_BODY));
    axum::serve(listener, router).await.expect("axum::serve retries what fails and never ends");
}

async fn ping<C: Codec>(ping: Json<C>) -> Json<C> {
    ping
}

/// A ping in a request's or an answer's body.
struct Json<C>(Ping, PhantomData<C>);

impl<C: Codec, S: Send + Sync> FromRequest<S> for Json<C> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let content_type = request.headers().get(CONTENT_TYPE);
        if !content_type.is_some_and(|value| is_json(value.as_bytes())) {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response());
        }
        let body =
            Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let ping = C::decode(&body).map_err(|_| StatusCode::BAD_REQUEST.into_response())?;
        Ok(Self(ping, PhantomData))
    }
}

impl<C: Codec> IntoResponse for Json<C> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, JSON)], C::encode(self.0)).into_response()
    }
}
