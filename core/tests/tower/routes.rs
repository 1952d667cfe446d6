//! Names of transactions, and the layer at several places.

use std::net::SocketAddr;

use axum::extract::Path;
use axum::routing::{any, get};
use axum::{Extension, Router};
use http::Method;
use tower::ServiceBuilder;
use tracehop::tower::TracePropagationLayer;
use tracehop::{DynamicSamplingContext, IncomingTrace, PropagationContext, Trust};

use crate::{BAGGAGE, Log, SENTRY_TRACE, Server, TRACE_ID, layer, options, propagator};

async fn name(Extension(trace): Extension<PropagationContext>) -> String {
    let dsc: &DynamicSamplingContext = trace.dsc();
    dsc.get("transaction").unwrap_or_default().into_owned()
}

#[tokio::test]
async fn transactions_are_named_by_route_and_method() {
    let nested = Router::new().route("/{id}", get(name));
    let app = Router::new()
        .route("/users/{id}", any(name))
        .nest("/shops", nested)
        .route("/files/{*path}", get(name))
        .fallback(name)
        .layer(layer(&propagator()));
    let server = Server::start(app).await;
    let other = Method::from_bytes(b"EVIL").unwrap();
    for (method, path, expected) in [
        (Method::GET, "/users/7?token=secret", "GET /users/{id}"),
        (Method::POST, "/users/7", "POST /users/{id}"),
        (other, "/users/7", ""),
        (Method::GET, "/shops/7", "GET /shops/{id}"),
        (Method::GET, "/files/a/b", "GET /files/{*path}"),
        (Method::GET, "/no/such/page", ""),
    ] {
        let answer = server.send(false, method.clone(), path, &[]).await;
        assert_eq!(answer.body, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn without_a_route_function_nothing_is_named() {
    let app = Router::new()
        .route("/users/{id}", get(name))
        .layer(TracePropagationLayer::new(propagator()));
    assert_eq!(Server::start(app).await.get(false, "/users/7", &[]).await.body, "");
}

#[tokio::test]
async fn policies_see_the_peer_of_the_layer() {
    let trust = |trace: &IncomingTrace<'_>| match trace.peer() {
        Some(peer) if peer.is_loopback() => Trust::Continue,
        _ => Trust::NewTrace,
    };
    let layer = TracePropagationLayer::new(options().trust_incoming(trust).build().unwrap());
    let with_peer = layer.clone().peer(|request| {
        // What `axum::serve` keeps with `into_make_service_with_connect_info`.
        Some(request.extensions.get::<SocketAddr>()?.ip())
    });
    let id = async |Extension(trace): Extension<PropagationContext>| trace.trace_id().to_string();
    for (layer, is_continued) in [(layer, false), (with_peer, true)] {
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        let app = Router::new().route("/", get(id)).layer(layer).layer(Extension(address));
        let answer = Server::start(app).await.get(false, "/", &[SENTRY_TRACE]).await;
        assert_eq!(answer.body == TRACE_ID, is_continued);
    }
}

#[tokio::test]
async fn one_propagator_twice_makes_one_span_and_recording() {
    let (propagator, log, _) = Log::recording();
    let handler = async |Extension(trace): Extension<PropagationContext>| {
        assert_eq!(trace.parent_span_id().unwrap().to_string(), "b72fa28504b07285");
        trace.trace_id().to_string()
    };
    let twice = ServiceBuilder::new().layer(layer(&propagator)).layer(layer(&propagator));
    let server = Server::start(Router::new().route("/{id}", get(handler)).layer(twice)).await;
    assert_eq!(server.get(false, "/7", &[SENTRY_TRACE]).await.body, TRACE_ID);
    assert_eq!(log.take(), ["in GET /{id}", "completed 200"]);
}

#[tokio::test]
async fn another_propagator_further_in_decides_by_its_options() {
    // This tenant's organisation is not that of the caller.
    let tenant = options().org_id(8).build().unwrap();
    let handler = async |Path(_): Path<String>, Extension(trace): Extension<PropagationContext>| {
        trace.is_continued().to_string()
    };
    let app = Router::new()
        .route("/tenants/{id}", get(handler))
        .layer(layer(&tenant))
        .route("/{id}", get(handler))
        .layer(layer(&options().org_id(7).build().unwrap()));
    let server = Server::start(app).await;
    let headers = [SENTRY_TRACE, ("baggage", "sentry-org_id=7"), BAGGAGE];
    assert_eq!(server.get(false, "/1", &headers).await.body, "true");
    assert_eq!(server.get(false, "/tenants/1", &headers).await.body, "false");
}
