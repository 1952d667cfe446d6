//! The trace is current wherever a request is handled, and nowhere else.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tracehop::{InTrace as _, PropagationContext};

use crate::{AtDrop, SENTRY_TRACE, Server, TRACE_ID, VERSIONS, current, layer, propagator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_is_current_in_handlers_and_futures() {
    let handler = async |Extension(trace): Extension<PropagationContext>| {
        let expected = trace.trace_id().to_string();
        assert_eq!(current(), expected);
        yield_now().await;
        assert_eq!(current(), expected);
        assert_eq!(tokio::spawn(async { current() }).await.unwrap(), "none");
        let spawned = tokio::spawn(async { current() }.in_current_trace());
        assert_eq!(spawned.await.unwrap(), expected);
        expected
    };
    let app = Router::new().route("/in", get(handler)).layer(layer(&propagator()));
    let server = Server::start(app.route("/out", get(async || current()))).await;
    for version in VERSIONS {
        assert_eq!(server.get(version, "/in", &[SENTRY_TRACE]).await.body, TRACE_ID);
        assert_eq!(server.get(version, "/out", &[SENTRY_TRACE]).await.body, "none");
    }
}

/// A body that sends the current trace id in chunks, then in trailers.
struct Streamed {
    chunks: u8,
    _at_drop: AtDrop,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.chunks.checked_sub(1) else { return Poll::Ready(None) };
        self.chunks = left;
        if left == 0 {
            let trailers = HeaderMap::from_iter([("x-trace".parse().unwrap(), header(&current()))]);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        // Every other poll is a pause.
        if left % 2 == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data((current() + " ").into()))))
    }
}

fn header(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap()
}

#[tokio::test]
async fn the_trace_is_current_in_bodies_and_trailers() {
    let (at_drop, mut dropped) = mpsc::unbounded_channel();
    let handler = async move || {
        let body = Body::new(Streamed { chunks: 6, _at_drop: AtDrop(at_drop.clone()) });
        // HTTP/1.1 sends the trailers that are announced.
        ([("trailer", "x-trace")], body)
    };
    let app = Router::new().route("/", get(handler)).layer(layer(&propagator()));
    let server = Server::start(app).await;
    for version in VERSIONS {
        let answer = server.get(version, "/", &[SENTRY_TRACE, ("te", "trailers")]).await;
        assert_eq!(answer.body.matches(TRACE_ID).count(), 3);
        let trailers = answer.trailers.unwrap();
        assert_eq!(trailers["x-trace"], TRACE_ID, "HTTP/2: {version}");
        assert_eq!(dropped.recv().await.unwrap(), TRACE_ID);
    }
}

#[tokio::test]
async fn cancelled_handlers_are_dropped_in_their_trace() {
    let (at_drop, mut dropped) = mpsc::unbounded_channel();
    let (entered, mut waits) = mpsc::unbounded_channel();
    let handler = async move || {
        let _at_drop = AtDrop(at_drop.clone());
        entered.send(()).unwrap();
        std::future::pending::<()>().await;
    };
    let app = Router::new().route("/", get(handler)).layer(layer(&propagator()));
    let server = Server::start(app).await;
    for version in VERSIONS {
        tokio::select! {
            _ = server.get(version, "/", &[SENTRY_TRACE]) => panic!("answered"),
            _ = waits.recv() => (),
        }
        assert_eq!(dropped.recv().await.unwrap(), TRACE_ID, "HTTP/2: {version}");
    }
}
