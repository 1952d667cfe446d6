//! The callers with axum and hyper's client.

use std::net::TcpListener;

use anyhow::{bail, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Path, State};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::get;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Layer as _, Service, ServiceExt as _};
use tracehop::tower::{ClientTracePropagationLayer, TracePropagationLayer};
use tracehop_benches::propagator;

use crate::Traced;

const ITEMS: &str = "/items/{id}";

/// Serves a caller, on the thread that this is called on.
pub(crate) async fn serve(
    listener: TcpListener,
    url: String,
    traced: Traced,
) -> anyhow::Result<()> {
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let app = match traced {
        Traced::Not => Router::new().route(ITEMS, get(item)).with_state(Upstream { client, url }),
        Traced::ByHand => {
            Router::new().route(ITEMS, get(copying_item)).with_state(Upstream { client, url })
        }
        Traced::Fully => {
            let client = ClientTracePropagationLayer::new(propagator()).layer(client);
            let layer = TracePropagationLayer::new(propagator())
                .route(|request| request.extensions.get::<MatchedPath>().map(MatchedPath::as_str));
            let routes = Router::new().route(ITEMS, get(item)).layer(layer);
            routes.with_state(Upstream { client, url })
        }
        Traced::Recorded | Traced::SentryActix => bail!("not with axum"),
    };
    listener.set_nonblocking(true)?;
    Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await?)
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

impl<C: Call> Upstream<C> {
    async fn answer(self, id: u32, headers: HeaderMap) -> anyhow::Result<Bytes> {
        let mut request = Request::get(format!("{}/stock/{id}", self.url)).body(Body::empty())?;
        *request.headers_mut() = headers;
        let response = self.client.oneshot(request).await.map_err(Into::into)?;
        ensure!(response.status().is_success(), "status {}", response.status());
        Ok(response.into_body().collect().await?.to_bytes())
    }
}
