//! When the recording of a request ends, and how.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use http::{HeaderMap, Method, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc;
use tower_http::services::ServeFile;

use crate::{Log, Server, VERSIONS, layer};

/// One frame, after which the body says that it has ended.
struct Last(Option<Bytes>);

impl http_body::Body for Last {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// A body that ends with trailers, and does not say that it has ended.
async fn trailers() -> Body {
    let trailers = Frame::<Bytes>::trailers(HeaderMap::new());
    Body::new(StreamBody::new(stream::iter([Ok::<_, Infallible>(trailers)])))
}

#[tokio::test]
async fn recordings_end_with_the_response() {
    let (propagator, log, mut ended) = Log::recording();
    let chunks = || stream::iter(["in ", "turn"].map(Ok::<_, Infallible>));
    let broken = async || {
        let error = Err(std::io::Error::other("broken"));
        Body::from_stream(stream::iter([Ok("x"), error]))
    };
    let file = ServeFile::new(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let app = Router::new()
        .route("/whole", get(async || "whole"))
        .route("/none", get(async || StatusCode::NOT_MODIFIED))
        .route("/empty", get(async || StatusCode::NO_CONTENT))
        .route("/streamed", get(async move || Body::from_stream(chunks())))
        .route(
            "/sized",
            get(async move || ([("content-length", "7")], Body::from_stream(chunks()))),
        )
        .route("/trailers", get(trailers))
        .route("/last", get(async || Body::new(Last(Some("x".into())))))
        .route_service("/file", file)
        .route("/broken", get(broken))
        .layer(layer(&propagator));
    let server = Server::start(app).await;
    for version in VERSIONS {
        for (method, path, end) in [
            (Method::GET, "/whole", "completed 200"),
            (Method::GET, "/none", "completed 304"),
            (Method::GET, "/empty", "completed 204"),
            (Method::GET, "/streamed", "completed 200"),
            (Method::GET, "/sized", "completed 200"),
            (Method::GET, "/trailers", "completed 200"),
            (Method::GET, "/last", "completed 200"),
            (Method::GET, "/file", "completed 200"),
            (Method::GET, "/broken", "failed body"),
            (Method::HEAD, "/whole", "completed 200"),
            (Method::HEAD, "/streamed", "completed 200"),
            (Method::HEAD, "/file", "completed 200"),
            (Method::GET, "/nowhere", "completed 404"),
        ] {
            // A body that fails breaks the response off.
            let _ = server.try_send(version, method.clone(), path, &[]).await;
            ended.recv().await.unwrap();
            let route = if path == "/nowhere" { "none" } else { path };
            assert_eq!(log.take(), [format!("in {method} {route}"), end.to_owned()], "{version}");
        }
    }
}

#[tokio::test]
async fn recordings_end_at_an_upgrade() {
    let (propagator, log, mut ended) = Log::recording();
    let headers = [("connection", "upgrade"), ("upgrade", "echo")];
    // The server drops this body, which would cancel any other response.
    let upgrade = async move || {
        let body = Body::from_stream(stream::pending::<Result<&str, Infallible>>());
        (StatusCode::SWITCHING_PROTOCOLS, headers, body)
    };
    let app = Router::new().route("/socket", get(upgrade)).layer(layer(&propagator));
    let server = Server::start(app).await;
    let _ = server.try_send(false, Method::GET, "/socket", &headers).await;
    ended.recv().await.unwrap();
    assert_eq!(log.take(), ["in GET /socket", "completed 101"]);
}

#[tokio::test]
async fn clients_that_leave_cancel_the_recording() {
    let (propagator, log, mut ended) = Log::recording();
    let (entered, mut waits) = mpsc::unbounded_channel();
    let in_body = entered.clone();
    let handler = async move || {
        entered.send(()).unwrap();
        std::future::pending::<()>().await;
    };
    let endless = async move || {
        let mut in_body = Some(in_body.clone());
        Body::from_stream(stream::poll_fn(move |_| {
            if let Some(in_body) = in_body.take() {
                in_body.send(()).unwrap();
            }
            Poll::<Option<Result<&str, Infallible>>>::Pending
        }))
    };
    let app = Router::new()
        .route("/handler", get(handler))
        .route("/body", get(endless))
        .layer(layer(&propagator));
    let server = Server::start(app).await;
    for version in VERSIONS {
        for path in ["/handler", "/body"] {
            tokio::select! {
                answer = server.get(version, path, &[]) => panic!("{answer:?}"),
                _ = waits.recv() => (),
            }
            ended.recv().await.unwrap();
            assert_eq!(log.take(), [format!("in GET {path}"), "cancelled".to_owned()]);
        }
    }
}
