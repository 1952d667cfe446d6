//! The callers with actix-web and reqwest.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpServer, error};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};
use tracehop_actix::TracePropagation;
use tracehop_actix::tracehop::Propagator;
use tracehop_benches::propagator;

use crate::Traced;

/// Serves a caller.
pub(crate) async fn serve(
    listener: TcpListener,
    url: String,
    traced: Traced,
) -> anyhow::Result<()> {
    match traced {
        Traced::Not => caller(listener, url).await,
        Traced::ByHand => copying_caller(listener, url).await,
        Traced::Fully => traced_caller(listener, url, propagator()).await,
        Traced::Recorded => {
            let mut options = sentry_options();
            let propagator = tracehop_sentry::propagator_builder(&mut options).build()?;
            let _guard = sentry::init(options);
            traced_caller(listener, url, propagator).await
        }
        Traced::SentryActix => {
            let _guard = sentry::init(sentry_options());
            sentry_actix_caller(listener, url).await
        }
    }
}

/// What the handlers of the caller need.
struct Upstream {
    client: ClientWithMiddleware,
    url: String,
}

impl Upstream {
    /// Makes the client of one worker.
    fn new(client: ClientBuilder, url: &str) -> Data<Self> {
        Data::new(Self { client: client.build(), url: url.to_owned() })
    }

    fn call(&self, id: u32) -> RequestBuilder {
        self.client.get(format!("{}/stock/{id}", self.url))
    }
}

const ITEMS: &str = "/items/{id}";

async fn caller(listener: TcpListener, url: String) -> anyhow::Result<()> {
    let app = move || {
        let client = ClientBuilder::new(reqwest::Client::new());
        App::new().app_data(Upstream::new(client, &url)).route(ITEMS, web::get().to(item))
    };
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}

/// Serves the caller that copies both headers.
async fn copying_caller(listener: TcpListener, url: String) -> anyhow::Result<()> {
    let app = move || {
        let client = ClientBuilder::new(reqwest::Client::new());
        App::new().app_data(Upstream::new(client, &url)).route(ITEMS, web::get().to(copying_item))
    };
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}

/// Serves the caller with both middlewares.
async fn traced_caller(
    listener: TcpListener,
    url: String,
    propagator: Propagator,
) -> anyhow::Result<()> {
    let app = move || {
        let client = ClientBuilder::new(reqwest::Client::new())
            .with(tracehop_reqwest::TracePropagation::new(propagator.clone()));
        App::new()
            .app_data(Upstream::new(client, &url))
            .route(ITEMS, web::get().to(item))
            .wrap(TracePropagation::new(propagator.clone()))
    };
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}

/// Serves the caller with the SDK's own middleware.
async fn sentry_actix_caller(listener: TcpListener, url: String) -> anyhow::Result<()> {
    let app = move || {
        let client = ClientBuilder::new(reqwest::Client::new());
        App::new()
            .app_data(Upstream::new(client, &url))
            .route(ITEMS, web::get().to(item_with_span))
            .wrap(sentry_actix::Sentry::with_transaction())
    };
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}

/// Options of the SDK that sample everything, and a transport that writes each envelope and drops it.
fn sentry_options() -> sentry::ClientOptions {
    sentry::ClientOptions::new()
        .dsn("https://49d0f7386ad645858ae85020e393bef3@o1234567.ingest.sentry.io/42")
        .release("shop@1.4.0")
        .traces_sample_rate(1.0)
        .transport(Arc::new(Dropping))
}

struct Dropping;

impl sentry::Transport for Dropping {
    fn send_envelope(&self, envelope: sentry::Envelope) {
        let mut bytes = Vec::new();
        if envelope.to_writer(&mut bytes).is_ok() {
            std::hint::black_box(bytes);
        }
    }
}

async fn item_with_span(id: web::Path<u32>, upstream: Data<Upstream>) -> actix_web::Result<Bytes> {
    let parent = sentry::configure_scope(|scope| scope.get_span());
    let span = parent.map(|parent| {
        let url = format!("{}/stock/{id}", upstream.url);
        let span = parent.start_child("http.client", &format!("GET {url}"));
        span.set_data("url", url.into());
        span.set_data("http.request.method", "GET".into());
        span
    });
    let mut call = upstream.call(*id);
    for (name, value) in span.iter().flat_map(|span| span.iter_headers()) {
        call = call.header(name, value);
    }
    let answer = answer_to(call).await;
    if let Some(span) = span {
        span.set_data("http.response.status_code", 200.into());
        span.set_status(sentry::protocol::SpanStatus::Ok);
        span.finish();
    }
    answer
}

async fn item(id: web::Path<u32>, upstream: Data<Upstream>) -> actix_web::Result<Bytes> {
    answer_to(upstream.call(*id)).await
}

async fn copying_item(
    request: HttpRequest,
    id: web::Path<u32>,
    upstream: Data<Upstream>,
) -> actix_web::Result<Bytes> {
    let mut call = upstream.call(*id);
    for name in ["sentry-trace", "baggage"] {
        if let Some(value) = request.headers().get(name) {
            call = call.header(name, value.as_bytes());
        }
    }
    answer_to(call).await
}

async fn answer_to(call: RequestBuilder) -> actix_web::Result<Bytes> {
    let response = call.send().await.map_err(error::ErrorBadGateway)?;
    let response = response.error_for_status().map_err(error::ErrorBadGateway)?;
    response.bytes().await.map_err(error::ErrorBadGateway)
}
