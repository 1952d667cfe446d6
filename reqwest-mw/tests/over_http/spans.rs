//! The span of a call in the logs.

use std::future::pending;
use std::task::Poll;

use axum::http::Extensions;
use reqwest::{Method, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tracehop_reqwest::tracehop::{InTrace as _, PropagationContext, Propagator, Target};
use tracehop_reqwest::{RequestBuilderExt as _, TracePropagation};
use tracing::{Instrument as _, info};

use super::log::Log;
use super::{Server, client, plain_client, propagator};

/// Middleware further in than ours.
enum Inner {
    Logs,
    Fails,
    NeverAnswers,
}

#[async_trait::async_trait]
impl Middleware for Inner {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        info!("inner");
        match self {
            Self::Logs => {
                tokio::task::yield_now().await;
                info!("inner");
                let response = next.run(request, extensions).await;
                info!("inner");
                response
            }
            Self::Fails => {
                Err(reqwest_middleware::Error::middleware(std::io::Error::other("secret")))
            }
            Self::NeverAnswers => pending().await,
        }
    }
}

fn client_with(inner: Inner) -> ClientWithMiddleware {
    ClientBuilder::new(plain_client()).with(TracePropagation::new(propagator())).with(inner).build()
}

/// Returns the span of a call as the log has it at its end: with the ids of a trace, and the fields of `end`.
fn span(context: Option<&PropagationContext>, url: &str, end: Value) -> Value {
    let mut span = json!({"name": "http.client", "method": "GET", "url": url});
    if let Some(context) = context {
        span["trace_id"] = context.trace_id().to_string().into();
        span["span_id"] = context.span_id().to_string().into();
    }
    let (span_object, end) = (span.as_object_mut().unwrap(), end.as_object().unwrap().clone());
    span_object.extend(end);
    span
}

#[tokio::test]
async fn spans_hold_exactly_the_lines_of_their_call() {
    let (log, server) = (Log::of_this_thread(), Server::start(0).await);
    let client = client_with(Inner::Logs);
    let context = propagator().start_new_trace();
    async {
        let mut url = server.url("/stock?secret#secret").parse::<reqwest::Url>().unwrap();
        url.set_username("secret").unwrap();
        url.set_password(Some("secret")).unwrap();
        client.execute(Request::new(Method::GET, url)).await.unwrap();
        info!("after");
    }
    .instrument(tracing::info_span!("around"))
    .in_trace(context.clone())
    .await;
    let url = server.url("/stock");
    let running = span(Some(&context), &url, json!({}));
    let around = json!({"name": "around"});
    let lines = log.lines();
    let inner = lines.iter().filter(|line| line["fields"]["message"] == "inner");
    let spans: Vec<_> = inner.map(|line| line["spans"].clone()).collect();
    assert_eq!(spans, vec![json!([around, running]); 3]);
    let after = lines.iter().find(|line| line["fields"]["message"] == "after").unwrap();
    assert_eq!(after["spans"], json!([around]));
    assert_eq!(log.ended(), [span(Some(&context), &url, json!({"status": 200})), around]);
    assert!(!log.text().contains("secret"));
    let sent = format!("{}-{}-1", context.trace_id(), context.span_id());
    assert_eq!(server.lines("sentry-trace"), [[sent]]);
}

#[tokio::test]
async fn spans_end_with_status_or_error_kind() {
    let context = propagator().start_new_trace();
    let log = Log::of_this_thread();
    let server = Server::start(1).await;
    let client = client(propagator());
    for _ in 0..2 {
        client.get(server.url("/")).with_trace(&context).send().await.unwrap();
    }
    // Bound, but not listened on: connections are refused, and no other process can take the port.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nowhere = format!("http://{}/", closed.local_addr().unwrap());
    let url = format!("{nowhere}?secret");
    client.get(&url).with_trace(&context).send().await.unwrap_err();
    let failing = client_with(Inner::Fails);
    failing.get(&url).with_trace(&context).send().await.unwrap_err();
    let ended = [
        span(Some(&context), &server.url("/"), json!({"status": 503})),
        span(Some(&context), &server.url("/"), json!({"status": 200})),
        span(Some(&context), &nowhere, json!({"error": "connect"})),
        span(Some(&context), &nowhere, json!({"error": "middleware"})),
    ];
    assert_eq!(log.ended(), ended);
    assert!(!log.text().contains("secret"));
}

#[tokio::test]
async fn dropped_calls_end_spans_without_status() {
    let log = Log::of_this_thread();
    let client = client_with(Inner::NeverAnswers);
    let context = propagator().start_new_trace();
    let mut call = Box::pin(client.get("http://127.0.0.1/").with_trace(&context).send());
    std::future::poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    assert_eq!(log.ended(), Vec::<Value>::new());
    drop(call);
    assert_eq!(log.ended(), [span(Some(&context), "http://127.0.0.1/", json!({}))]);
}

#[tokio::test]
async fn spans_have_the_ids_of_the_call() {
    let log = Log::of_this_thread();
    let server = Server::start(0).await;
    let here = Propagator::builder().trace_propagation_targets([Target::contains("/target")]);
    let here = here.build().unwrap();
    let (client, context) = (client(here.clone()), here.start_new_trace());
    let get = |path| client.get(server.url(path));
    async {
        get("/target").send().await.unwrap();
        get("/other").send().await.unwrap();
        get("/none").without_trace().send().await.unwrap();
    }
    .in_trace(context.clone())
    .await;
    // A call outside of any trace starts one.
    get("/target").send().await.unwrap();
    let ok = json!({"status": 200});
    let ended = log.ended();
    assert_eq!(ended[0], span(Some(&context), &server.url("/target"), ok.clone()));
    assert_eq!(ended[1], span(Some(&context), &server.url("/other"), ok.clone()));
    assert_eq!(ended[2], span(None, &server.url("/none"), ok));
    let sent = &server.lines("sentry-trace")[3][0];
    let id = |name: &str| ended[3][name].as_str().unwrap();
    assert_eq!(*sent, format!("{}-{}", id("trace_id"), id("span_id")));
}

#[tokio::test]
async fn unknown_methods_are_not_logged() {
    let (log, server) = (Log::of_this_thread(), Server::start(0).await);
    let method = Method::from_bytes(b"SECRET").unwrap();
    client(propagator()).request(method, server.url("/")).send().await.unwrap();
    assert_eq!(log.ended()[0]["method"], "_OTHER");
    assert!(!log.text().contains("SECRET"));
}
