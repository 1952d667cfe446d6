//! A service with axum, on a runtime with several threads, for the same table.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::stream;
use reqwest_middleware::ClientWithMiddleware;
use sentry::{Hub, SentryFutureExt as _};
use sentry_tower::{NewSentryLayer, SentryHttpLayer};
use tokio::runtime::{Builder, Runtime};
use tower_http::catch_panic::CatchPanicLayer;
use tracehop::tower::TracePropagationLayer;
use tracehop::{InTrace as _, PropagationContext, Propagator};
use tracing::Instrument as _;

use crate::handlers::work;
use crate::server::{Sentry, Serving};
use crate::stack::{Place, Stack, subscriber};
use crate::strangers::{look, set, set_later};

#[derive(Clone)]
struct NextService {
    client: ClientWithMiddleware,
    url: String,
}

impl NextService {
    async fn work(&self) {
        work(&self.client, &self.url).await;
    }
}

type Service = State<NextService>;

async fn awaits(State(next): Service) -> &'static str {
    next.work().await;
    "done"
}

async fn spawns(State(next): Service) -> &'static str {
    let job = async move { next.work().await };
    let _ = tokio::spawn(job.in_current_trace()).await;
    "done"
}

async fn blocks(
    State(next): Service,
    Extension(trace): Extension<PropagationContext>,
) -> &'static str {
    let block = move || trace.in_scope(|| sentry::capture_message("boom", sentry::Level::Error));
    tokio::task::spawn_blocking(block).await.unwrap();
    next.work().await;
    "done"
}

async fn streams(State(next): Service) -> Body {
    Body::from_stream(stream::once(async move {
        next.work().await;
        Ok::<_, std::convert::Infallible>(Bytes::from_static(b"done"))
    }))
}

async fn panics(State(next): Service) -> &'static str {
    next.work().await;
    panic!("on purpose");
}

async fn fails(State(next): Service) -> StatusCode {
    next.work().await;
    StatusCode::INTERNAL_SERVER_ERROR
}

/// A server and its threads.
pub(crate) struct Running {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Serving for Running {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Serves a stack.
pub(crate) fn start(stack: Stack, propagator: &Propagator, sentry: &Sentry) -> Running {
    let client = reqwest_middleware::ClientBuilder::new(
        reqwest::Client::builder().no_proxy().build().unwrap(),
    )
    .with(tracehop_reqwest::TracePropagation::new(propagator.clone()))
    .build();
    let app = layered(stack, propagator).with_state(NextService { client, url: sentry.next() });

    // One subscriber of all threads, for as long as they run.
    let dispatch = tracing::Dispatch::new(subscriber(stack));
    serve(app, move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
}

/// Serves on two threads, each of which calls the function first.
fn serve(app: Router, on_thread_start: impl Fn() + Send + Sync + 'static) -> Running {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(on_thread_start)
        .build()
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, app).await
    });
    Running { address, runtime: Some(runtime) }
}

fn ours(propagator: &Propagator) -> TracePropagationLayer {
    TracePropagationLayer::new(propagator.clone())
        .route(|request| request.extensions.get::<MatchedPath>().map(MatchedPath::as_str))
}

fn layered(stack: Stack, propagator: &Propagator) -> Router<NextService> {
    let app = Router::new()
        .route("/await/{id}", get(awaits))
        .route("/spawn/{id}", get(spawns))
        .route("/block/{id}", get(blocks))
        .route("/stream/{id}", get(streams))
        .route("/panic/{id}", get(panics))
        .route("/fail/{id}", get(fails))
        .layer(CatchPanicLayer::new());
    let app = around(app, stack, Place::Inside).layer(ours(propagator));
    let app = around(app, stack, Place::Outside);
    if stack.tenant { app.layer(from_fn(in_hub)) } else { app }
}

fn around(app: Router<NextService>, stack: Stack, place: Place) -> Router<NextService> {
    let app = if stack.span == place { app.layer(from_fn(in_span)) } else { app };
    let (sentrys, with_transaction) = stack.sentrys;
    if sentrys != place {
        return app;
    }
    let http = SentryHttpLayer::new();
    let http = if with_transaction { http.enable_transaction() } else { http };
    app.layer(http).layer(NewSentryLayer::<Request>::new_from_top())
}

async fn in_span(request: Request, next: Next) -> Response {
    next.run(request).instrument(tracing::info_span!("span of a middleware")).await
}

async fn in_hub(request: Request, next: Next) -> Response {
    let hub = Arc::new(Hub::new_from_top(Hub::current()));
    next.run(request).bind_hub(hub).await
}

/// Serves handlers that write to the current scope, and one that captures what the scope has.
pub(crate) fn serve_strangers(propagator: &Propagator) -> Running {
    async fn spawned(Path(id): Path<String>) {
        tokio::spawn(set_later(id));
    }
    async fn in_trace(Path(id): Path<String>) {
        tokio::spawn(set_later(id).in_current_trace());
    }
    async fn bound(Path(id): Path<String>) {
        tokio::spawn(set_later(id).bind_hub(Hub::current()));
    }
    async fn nested(Path(id): Path<String>) {
        sentry::with_scope(|_| (), || set(&id));
        set(&id);
    }
    async fn streams(Path(id): Path<String>) -> Body {
        Body::from_stream(stream::once(async move {
            set(&id);
            Ok::<_, std::convert::Infallible>(Bytes::from_static(b"done"))
        }))
    }
    async fn panics(Path(id): Path<String>) {
        set(&id);
        panic!("on purpose");
    }
    // A middleware further out that writes to the hub of the thread.
    async fn mark_thread(request: Request, next: Next) -> Response {
        set("middleware");
        next.run(request).await
    }

    let app = Router::new()
        .route("/spawned/{id}", get(spawned))
        .route("/in-trace/{id}", get(in_trace))
        .route("/bound/{id}", get(bound))
        .route("/nested/{id}", get(nested))
        .route("/stream/{id}", get(streams))
        .route("/panic/{id}", get(panics))
        .route("/look/{id}", get(look))
        .layer(CatchPanicLayer::new())
        .layer(ours(propagator))
        .layer(from_fn(mark_thread));
    serve(app, || ())
}
