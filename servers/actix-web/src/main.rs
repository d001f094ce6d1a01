//! The ping contract on actix-web: a resource with one route, and a handler over the chosen codec.

use std::thread;
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::rt::System;
use actix_web::web::{self, Bytes, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use contract::{Codec, Json, Options, SerdeJson, Shutdown, SimdJson, is_json};

/// Made once: `ContentType::json()` would be formatted anew for each answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn main() -> anyhow::Result<()> {
    let options = Options::parse_for(env!("CARGO_PKG_NAME"));
    match options.json {
        Json::SerdeJson => serve::<SerdeJson>(&options),
        Json::SimdJson => serve::<SimdJson>(&options),
    }
}

fn serve<C: Codec>(options: &Options) -> anyhow::Result<()> {
    let shutdown = Shutdown::install()?;
    let app = || {
        App::new()
            .app_data(PayloadConfig::new(contract::MAX_BODY))
            .service(web::resource(contract::PATH).post(ping::<C>))
    };
    let mut server = HttpServer::new(app)
        .workers(options.threads)
        // By default a connection that is idle for five seconds is closed, which is less than it
        // takes to open thousands.
        .keep_alive(KeepAlive::Os)
        // By default a worker stops accepting at 25,600.
        .max_connections(usize::MAX)
        .client_request_timeout(Duration::ZERO)
        // Its own answer to SIGTERM waits for idle connections.
        .disable_signals();
    // One listener whatever the number of workers: actix-web accepts on a thread of its own.
    for listener in contract::listen(options.socket_addr(), 1)? {
        server = server.listen(listener)?;
    }
    System::new().block_on(async {
        let running = server.run();
        let handle = running.handle();
        thread::spawn(move || {
            shutdown.wait();
            // The command is sent by the call; its completion is the end of `running`.
            drop(handle.stop(false));
        });
        running.await
    })?;
    Ok(())
}

async fn ping<C: Codec>(request: HttpRequest, body: Bytes) -> HttpResponse {
    let content_type = request.headers().get(CONTENT_TYPE);
    if !content_type.is_some_and(|value| is_json(value.as_bytes())) {
        return HttpResponse::UnsupportedMediaType().finish();
    }
    match C::decode(&body) {
        Ok(ping) => HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).body(C::encode(ping)),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}
