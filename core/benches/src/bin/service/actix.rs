//! The callers with actix-web and reqwest.

use std::net::TcpListener;

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpServer, error};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};
use reqwest_tracing::TracingMiddleware;
use tracehop_actix::TracePropagation;
use tracehop_actix::tracehop::Propagator;
use tracehop_benches::{opentelemetry_spans, propagator};
use tracing_actix_web::TracingLogger;

use crate::{Traced, sdk};

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
            let mut options = sdk::options();
            let propagator = tracehop_sentry::propagator_builder(&mut options).build()?;
            let _guard = sentry::init(options);
            traced_caller(listener, url, propagator).await
        }
        Traced::Sdk => {
            let _guard = sentry::init(sdk::options());
            sentry_actix_caller(listener, url).await
        }
        Traced::Opentelemetry => {
            tracing::dispatcher::set_global_default(opentelemetry_spans())?;
            opentelemetry_caller(listener, url).await
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

    fn stock(&self, id: u32) -> String {
        format!("{}/stock/{id}", self.url)
    }

    fn call(&self, id: u32) -> RequestBuilder {
        self.client.get(self.stock(id))
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

/// Serves the caller with the middlewares that hand on OpenTelemetry's traces.
async fn opentelemetry_caller(listener: TcpListener, url: String) -> anyhow::Result<()> {
    let app = move || {
        let client = ClientBuilder::new(reqwest::Client::new()).with(TracingMiddleware::default());
        App::new()
            .app_data(Upstream::new(client, &url))
            .route(ITEMS, web::get().to(item))
            .wrap(TracingLogger::default())
    };
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}

async fn item_with_span(id: web::Path<u32>, upstream: Data<Upstream>) -> actix_web::Result<Bytes> {
    let span = sdk::start_span(&upstream.stock(*id));
    let mut call = upstream.call(*id);
    for (name, value) in span.iter().flat_map(|span| span.iter_headers()) {
        call = call.header(name, value);
    }
    let answer = answer_to(call).await;
    sdk::finish(span);
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
