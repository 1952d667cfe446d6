//! The callers with axum and hyper's client.

use std::net::TcpListener;

use anyhow::ensure;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use axum::routing::get;
use axum_tracing_opentelemetry::middleware::OtelAxumLayer;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_031::global;
use opentelemetry_031::propagation::Injector;
use sentry_tower::{NewSentryLayer, SentryHttpLayer};
use tower::{Layer as _, Service, ServiceExt as _};
use tracehop::Propagator;
use tracehop::tower::ClientTracePropagationLayer;
use tracehop_benches::{axum_layer, opentelemetry_spans, propagator};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{Traced, sdk};

const ITEMS: &str = "/items/{id}";

/// Serves a caller on the current thread.
pub(crate) async fn serve(
    listener: TcpListener,
    url: String,
    traced: Traced,
) -> anyhow::Result<()> {
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let upstream = Upstream { client, url };
    let _guard;
    let app = match traced {
        Traced::Not => Router::new().route(ITEMS, get(item)).with_state(upstream),
        Traced::ByHand => Router::new().route(ITEMS, get(copying_item)).with_state(upstream),
        Traced::Fully => traced_routes(upstream, &propagator()),
        Traced::Recorded => {
            let mut options = sdk::options();
            let propagator = tracehop_sentry::propagator_builder(&mut options).build()?;
            _guard = sentry::init(options);
            traced_routes(upstream, &propagator)
        }
        Traced::Sdk => {
            _guard = sentry::init(sdk::options());
            Router::new()
                .route(ITEMS, get(item_with_span))
                .layer(SentryHttpLayer::new().enable_transaction())
                .layer(NewSentryLayer::new_from_top())
                .with_state(upstream)
        }
        Traced::Opentelemetry => {
            tracing::dispatcher::set_global_default(opentelemetry_spans())?;
            Router::new()
                .route(ITEMS, get(item_with_traceparent))
                .layer(OtelAxumLayer::default())
                .with_state(upstream)
        }
    };
    listener.set_nonblocking(true)?;
    Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await?)
}

fn traced_routes(upstream: Upstream<impl Call>, propagator: &Propagator) -> Router {
    let client = ClientTracePropagationLayer::new(propagator.clone()).layer(upstream.client);
    let routes = Router::new().route(ITEMS, get(item)).layer(axum_layer(propagator.clone()));
    routes.with_state(Upstream { client, url: upstream.url })
}

/// What the handlers of the caller need.
#[derive(Clone)]
struct Upstream<C> {
    client: C,
    url: String,
}

/// A client, with a layer or without.
trait Call:
    Service<Request<Body>, Response = Response<Incoming>, Error: Into<anyhow::Error>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<C> Call for C where
    C: Service<
            Request<Body>,
            Response = Response<Incoming>,
            Error: Into<anyhow::Error>,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

async fn item<C: Call>(
    Path(id): Path<u32>,
    State(upstream): State<Upstream<C>>,
) -> Result<Bytes, StatusCode> {
    upstream.answer(id, HeaderMap::new()).await.map_err(|_| StatusCode::BAD_GATEWAY)
}

async fn copying_item<C: Call>(
    Path(id): Path<u32>,
    State(upstream): State<Upstream<C>>,
    headers: HeaderMap,
) -> Result<Bytes, StatusCode> {
    let mut copied = HeaderMap::new();
    for name in ["sentry-trace", "baggage"] {
        if let Some(value) = headers.get(name) {
            copied.insert(name, value.clone());
        }
    }
    upstream.answer(id, copied).await.map_err(|_| StatusCode::BAD_GATEWAY)
}

async fn item_with_span<C: Call>(
    Path(id): Path<u32>,
    State(upstream): State<Upstream<C>>,
) -> Result<Bytes, StatusCode> {
    let span = sdk::start_span(&upstream.stock(id));
    let mut headers = HeaderMap::new();
    for (name, value) in span.iter().flat_map(|span| span.iter_headers()) {
        insert(&mut headers, name, &value);
    }
    let answer = upstream.answer(id, headers).await.map_err(|_| StatusCode::BAD_GATEWAY);
    sdk::finish(span);
    answer
}

async fn item_with_traceparent<C: Call>(
    Path(id): Path<u32>,
    State(upstream): State<Upstream<C>>,
) -> Result<Bytes, StatusCode> {
    let mut carrier = HeaderCarrier(HeaderMap::new());
    let context = tracing::Span::current().context();
    global::get_text_map_propagator(|it| it.inject_context(&context, &mut carrier));
    upstream.answer(id, carrier.0).await.map_err(|_| StatusCode::BAD_GATEWAY)
}

/// Headers for the propagators of OpenTelemetry.
struct HeaderCarrier(HeaderMap);

impl Injector for HeaderCarrier {
    fn set(&mut self, name: &str, value: String) {
        insert(&mut self.0, name, &value);
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

impl<C: Call> Upstream<C> {
    fn stock(&self, id: u32) -> String {
        format!("{}/stock/{id}", self.url)
    }

    async fn answer(self, id: u32, headers: HeaderMap) -> anyhow::Result<Bytes> {
        let mut request = Request::get(self.stock(id)).body(Body::empty())?;
        *request.headers_mut() = headers;
        let response = self.client.oneshot(request).await.map_err(Into::into)?;
        ensure!(response.status().is_success(), "status {}", response.status());
        Ok(response.into_body().collect().await?.to_bytes())
    }
}
