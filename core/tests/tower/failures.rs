//! Panics, timeouts and errors, inside of the layer and outside of it.

use std::time::Duration;

use axum::error_handling::HandleErrorLayer;
use axum::routing::get;
use axum::{BoxError, Router};
use http::StatusCode;
use tokio::sync::mpsc;
use tower::ServiceBuilder;
use tower::timeout::TimeoutLayer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{AtDrop, Log, SENTRY_TRACE, Server, TRACE_ID, VERSIONS, current, layer};

/// Inside of the layer, or outside of it.
const PLACES: [bool; 2] = [true, false];

#[tokio::test]
async fn panics_end_their_own_request_only() {
    for is_inside in PLACES {
        let (propagator, log, mut ended) = Log::recording();
        let (at_drop, mut dropped) = mpsc::unbounded_channel();
        let handler = async move || {
            let _at_drop = AtDrop(at_drop.clone());
            tokio::task::yield_now().await;
            std::panic::resume_unwind(Box::new("on purpose"));
        };
        let routes = Router::new()
            .route("/panic", get(async move || -> () { handler().await }))
            .route("/", get(async || current()));
        let app = if is_inside {
            routes.layer(CatchPanicLayer::new()).layer(layer(&propagator))
        } else {
            routes.layer(layer(&propagator)).layer(CatchPanicLayer::new())
        };
        let server = Server::start(app).await;
        for version in VERSIONS {
            let answer = server.get(version, "/panic", &[SENTRY_TRACE]).await;
            assert_eq!(answer.status, 500);
            assert_eq!(dropped.recv().await.unwrap(), TRACE_ID);
            ended.recv().await.unwrap();
            // If the panic is caught outside, no response reaches the layer.
            let end = if is_inside { "completed 500" } else { "cancelled" };
            assert_eq!(log.take(), ["in GET /panic", end]);

            assert_eq!(server.get(version, "/", &[SENTRY_TRACE]).await.body, TRACE_ID);
            ended.recv().await.unwrap();
            log.take();
        }
    }
}

#[tokio::test]
async fn timeouts_end_the_recording() {
    for is_inside in PLACES {
        let (propagator, log, mut ended) = Log::recording();
        let (at_drop, mut dropped) = mpsc::unbounded_channel();
        let handler = async move || {
            let _at_drop = AtDrop(at_drop.clone());
            std::future::pending::<()>().await;
        };
        let respond = async |_: BoxError| StatusCode::GATEWAY_TIMEOUT;
        let timeout = TimeoutLayer::new(Duration::from_millis(1));
        let routes = Router::new().route("/", get(handler));
        let app = if is_inside {
            // The layer sees the error of the timeout. Outside of the layer the error becomes a response.
            let layers = ServiceBuilder::new()
                .layer(HandleErrorLayer::new(respond))
                .layer(layer(&propagator))
                .layer(timeout);
            routes.layer(layers)
        } else {
            let layers = ServiceBuilder::new().layer(HandleErrorLayer::new(respond)).layer(timeout);
            routes.layer(layer(&propagator)).layer(layers)
        };
        let server = Server::start(app).await;
        let answer = server.get(false, "/", &[SENTRY_TRACE]).await;
        assert_eq!(answer.status, 504);
        assert_eq!(dropped.recv().await.unwrap(), TRACE_ID);
        ended.recv().await.unwrap();
        let end = if is_inside { "failed service" } else { "cancelled" };
        assert_eq!(log.take(), ["in GET /", end]);
    }
}
