//! The layer around a hyper service, without a framework.

use std::convert::Infallible;

use ::hyper::body::Incoming;
use axum::body::Body;
use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer as _, service_fn};
use tracehop::tower::TracePropagationLayer;

use crate::{SENTRY_TRACE, Server, TRACE_ID, VERSIONS, current, propagator};

#[tokio::test]
async fn hyper_services_are_in_the_trace() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = service_fn(|_: Request<Incoming>| {
        // Services may run code before they return their future.
        let before = current();
        async move { Ok::<_, Infallible>(Response::new(Body::from(before + " " + &current()))) }
    });
    let service = TracePropagationLayer::new(propagator()).layer(answer);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            let builder = Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let server = Server { address, task };
    for version in VERSIONS {
        let answer = server.get(version, "/", &[SENTRY_TRACE]).await;
        assert_eq!(answer.body, format!("{TRACE_ID} {TRACE_ID}"));
        assert!(!server.get(version, "/", &[]).await.body.contains(TRACE_ID));
    }
}
