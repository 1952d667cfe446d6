use std::sync::mpsc;

use actix_web::dev::Service as _;
use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, rt, web};
use tokio::task::yield_now;
use tracehop_actix::tracehop::InTrace as _;
use tracehop_actix::{PropagationContext, Trace, TracePropagation};

use crate::{body, propagator, serve, status};

fn current() -> Option<String> {
    PropagationContext::current().map(|context| context.trace_id().to_string())
}

#[actix_web::test]
async fn the_trace_is_current_in_handlers_and_futures() {
    let propagator = propagator();
    let server = serve!(move || {
        let handler = async |trace: Trace| {
            let expected = Some(trace.trace_id().to_string());
            assert_eq!(current(), expected);
            yield_now().await;
            assert_eq!(current(), expected);
            assert_eq!(rt::spawn(async { current() }).await.unwrap(), None);
            let in_trace = rt::spawn(async { current() }.in_current_trace());
            assert_eq!(in_trace.await.unwrap(), expected);
            HttpResponse::Ok().finish()
        };
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/", web::get().to(handler))
    });
    assert_eq!(status(&server.get("/", &[]).await), "200");
}

#[actix_web::test]
async fn the_trace_is_current_in_inner_middleware() {
    let propagator = propagator();
    let server = serve!(move || {
        App::new()
            .route("/", web::get().to(HttpResponse::Ok))
            .wrap_fn(|request, service| {
                let before = current();
                assert!(before.is_some());
                let response = service.call(request);
                async move {
                    assert_eq!(current(), before);
                    response.await
                }
            })
            .wrap(TracePropagation::new(propagator.clone()))
    });
    assert_eq!(status(&server.get("/", &[]).await), "200");
}

#[actix_web::test]
async fn the_trace_is_current_in_streamed_bodies() {
    let propagator = propagator();
    let (at_end, ended) = mpsc::channel();
    let server = serve!(move || {
        let at_end = at_end.clone();
        let handler = move |trace: Trace| {
            let expected = Some(trace.trace_id().to_string());
            let body = Streamed { chunks: 3, expected, at_end: at_end.clone() };
            async { HttpResponse::Ok().body(body) }
        };
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/", web::get().to(handler))
    });
    let response = server.get("/", &[]).await;
    assert_eq!(body(&response).matches("true").count(), 3, "{response}");
    assert_eq!(ended.recv(), Ok(true));
}

/// A body whose chunks say whether the current trace is that of its request.
struct Streamed {
    chunks: u8,
    expected: Option<String>,
    at_end: mpsc::Sender<bool>,
}

impl Drop for Streamed {
    fn drop(&mut self) {
        let _ = self.at_end.send(current() == self.expected);
    }
}

impl actix_web::body::MessageBody for Streamed {
    type Error = std::convert::Infallible;

    fn size(&self) -> actix_web::body::BodySize {
        actix_web::body::BodySize::Stream
    }

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Self::Error>>> {
        let chunk = self.chunks.checked_sub(1).map(|left| {
            self.chunks = left;
            Ok((current() == self.expected).to_string().into())
        });
        std::task::Poll::Ready(chunk)
    }
}

#[actix_web::test]
async fn concurrent_requests_keep_their_own_traces() {
    let propagator = propagator();
    let server = serve!(move || {
        let handler = async || {
            let before = current();
            for _ in 0..10 {
                yield_now().await;
                assert_eq!(current(), before);
            }
            before.unwrap_or_default()
        };
        App::new()
            .service(
                web::scope("/out").route("/", web::get().to(async || format!("{:?}", current()))),
            )
            .service(
                web::scope("/in")
                    .wrap(TracePropagation::new(propagator.clone()))
                    .route("/", web::get().to(handler)),
            )
    });
    let requests = (1..=32_u32).map(|n| {
        let server = &server;
        async move {
            let id = format!("{n:032x}");
            let line = format!("sentry-trace: {id}-b72fa28504b07285");
            let lines = [line.as_bytes()];
            let (traced, plain) =
                tokio::join!(server.get("/in/", &lines), server.get("/out/", &[]));
            assert_eq!(body(&traced), id);
            assert_eq!(body(&plain), "None");
        }
    });
    let tasks: Vec<_> = requests.collect();
    futures_util::future::join_all(tasks).await;
}
