//! Requests as spans of Sentry's SDK, as it sends them.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use sentry_core::ClientOptions;
use sentry_core::protocol::SpanStatus;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tracehop_envelopes::Capture;
use tracehop_reqwest::tracehop::{InTrace as _, PropagationContext, Propagator, Target};
use tracehop_reqwest::{RequestBuilderExt as _, TracePropagation};
use tracehop_sentry::SentryRecorder;

use crate::{Server, client, options, plain_client, retry, sentry_trace};

/// Makes a propagator that records with Sentry's SDK. Clients record also in traces of other propagators.
fn propagator() -> Propagator {
    options().recorder(SentryRecorder::new()).build().unwrap()
}

/// Runs a future as the work of a request, and returns the spans of its transaction.
async fn spans_of(context: &PropagationContext, work: impl Future<Output = ()>) -> Vec<Value> {
    let envelopes = Capture::default();
    let options = ClientOptions::new().traces_sample_rate(1.0);
    let hub = envelopes.hub(options, |transport| transport);
    let recorder = SentryRecorder::new();
    let transaction = recorder.start_transaction(context, hub, "GET /", "http.server");
    work.in_trace(transaction.context().clone()).await;
    transaction.finish(SpanStatus::Ok);
    envelopes.take().iter().flat_map(|sent| sent.spans().to_vec()).collect()
}

fn spans_sent(server: &Server) -> Vec<String> {
    let span_id = |lines: &Vec<String>| lines.concat().split('-').nth(1).unwrap_or_default().into();
    server.lines("sentry-trace").iter().map(span_id).collect()
}

async fn send(client: &ClientWithMiddleware, url: String) {
    let _ = client.get(url).send().await;
}

#[tokio::test]
async fn requests_are_spans_with_the_sent_id() {
    let server = Server::start(1).await;
    let client = client(propagator());
    let context = propagator().start_new_trace();
    let spans = spans_of(&context, async {
        send(&client, server.url("/stock?token=hush#hush")).await;
        let secret = server.url("/orders").replace("//", "//user:hush@");
        client.post(secret).send().await.unwrap();
    })
    .await;
    let ids: Vec<_> = spans.iter().map(|span| span["span_id"].as_str().unwrap()).collect();
    assert_eq!(ids, spans_sent(&server));
    let (host, port) = server.url.strip_prefix("http://").unwrap().split_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    for (span, (method, path, code, status)) in
        spans.iter().zip([("GET", "/stock", 503, "unavailable"), ("POST", "/orders", 200, "ok")])
    {
        let url = server.url(path);
        assert_eq!(span["op"], "http.client");
        assert_eq!(span["description"], format!("{method} {url}"));
        assert_eq!(span["status"], status);
        assert_eq!(span["parent_span_id"], context.span_id().to_string());
        assert_eq!(span["trace_id"], context.trace_id().to_string());
        let data = json!({
            "http.request.method": method, "url": url, "server.address": host,
            "server.port": port, "http.response.status_code": code,
        });
        assert_eq!(span["data"], data);
    }
    let decisions = server.lines("sentry-trace");
    assert!(decisions.iter().all(|lines| lines.concat().ends_with("-1")), "{decisions:?}");
    let dsc = vec![vec![context.dsc().as_str().to_owned()]; 2];
    assert_eq!(server.lines("baggage"), dsc);
}

#[tokio::test]
async fn recorded_spans_win_over_span_id_per_request() {
    let server = Server::start(0).await;
    let builder = options().recorder(SentryRecorder::new()).span_id_per_request(true);
    let client = client(builder.build().unwrap());
    let context = propagator().start_new_trace();
    let spans = spans_of(&context, async {
        send(&client, server.url("/")).await;
        send(&client, server.url("/")).await;
    })
    .await;
    let ids: Vec<_> = spans.iter().map(|span| span["span_id"].as_str().unwrap()).collect();
    assert_eq!(ids, spans_sent(&server));
    let is_child = |span: &Value| span["parent_span_id"] == context.span_id().to_string();
    assert!(ids.len() == 2 && spans.iter().all(is_child), "{spans:?}");
}

#[tokio::test]
async fn requests_off_the_targets_are_spans_without_headers() {
    let server = Server::start(0).await;
    let targets = [Target::host("api.example.com")];
    let targets = options().recorder(SentryRecorder::new()).trace_propagation_targets(targets);
    let client = client(targets.build().unwrap());
    let spans = spans_of(&propagator().start_new_trace(), send(&client, server.url("/"))).await;
    assert_eq!(spans.len(), 1);
    assert_eq!(spans_sent(&server), [""]);
}

#[tokio::test]
async fn unrecorded_requests_carry_the_position_of_the_service() {
    let client = client(propagator());
    let unsampled = Propagator::builder().traces_sample_rate(0.0).build().unwrap();
    let deferring = Propagator::builder().build().unwrap();
    for propagator in [unsampled, deferring] {
        let server = Server::start(0).await;
        let context = propagator.start_new_trace();
        let spans = spans_of(&context, send(&client, server.url("/"))).await;
        assert_eq!(spans.len(), 0);
        assert_eq!(server.lines("sentry-trace"), [sentry_trace(&context)]);
    }

    // Requests with another trace, or without one, are not part of the transaction.
    let server = Server::start(0).await;
    let other = propagator().start_new_trace();
    let spans = spans_of(&propagator().start_new_trace(), async {
        client.get(server.url("/")).with_trace(&other).send().await.unwrap();
        client.get(server.url("/")).without_trace().send().await.unwrap();
    })
    .await;
    assert_eq!(spans.len(), 0);
    assert_eq!(server.lines("sentry-trace"), [sentry_trace(&other), vec![]]);
}

#[tokio::test]
async fn requests_after_the_transaction_carry_its_position() {
    let server = Server::start(0).await;
    let context = propagator().start_new_trace();
    let options = ClientOptions::new().traces_sample_rate(1.0);
    let hub = Capture::default().hub(options, |transport| transport);
    let recorder = SentryRecorder::new();
    let client = client(crate::options().recorder(recorder.clone()).build().unwrap());
    let transaction = recorder.start_transaction(&context, hub, "GET", "http.server");
    let in_transaction = transaction.context().clone();
    transaction.finish(SpanStatus::Ok);
    send(&client, server.url("/")).in_trace(in_transaction).await;
    assert_eq!(server.lines("sentry-trace"), [sentry_trace(&context)]);
}

#[tokio::test]
async fn jobs_in_the_current_trace_have_spans() {
    let server = Server::start(0).await;
    let client = client(propagator());
    let context = propagator().start_new_trace();
    let address = server.url("/");
    let spans = spans_of(&context, async {
        tokio::spawn(async move { send(&client, address).await }.in_current_trace()).await.unwrap();
    })
    .await;
    assert_eq!(spans.len(), 1);
    assert_eq!(spans_sent(&server), [spans[0]["span_id"].as_str().unwrap()]);
}

#[tokio::test]
async fn each_retry_is_a_span_of_its_own() {
    let ours = || TracePropagation::new(propagator());
    let new = || ClientBuilder::new(plain_client());
    for (client, expected) in [
        (new().with(retry()).with(ours()).build(), vec!["unavailable", "unavailable", "ok"]),
        (new().with(ours()).with(retry()).build(), vec!["ok"]),
    ] {
        let server = Server::start(2).await;
        let context = propagator().start_new_trace();
        let spans = spans_of(&context, send(&client, server.url("/"))).await;
        let statuses: Vec<_> = spans.iter().map(|span| span["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, expected);
        let ids: Vec<_> = spans.iter().map(|span| span["span_id"].as_str().unwrap()).collect();
        let mut sent = spans_sent(&server);
        assert_eq!(sent.len(), 3);
        sent.dedup();
        assert_eq!(sent, ids);
    }
}

#[tokio::test]
async fn failed_requests_have_the_status_of_their_error() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    // Bound, but not listened on: connections are refused, and no other process can take the port.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refusing = closed.local_addr().unwrap();
    let client = client(propagator());
    let spans = spans_of(&propagator().start_new_trace(), async {
        send(&client, format!("http://{refusing}/")).await;
        let with_timeout = client.get(&silent_url).timeout(Duration::from_millis(10));
        assert!(with_timeout.send().await.unwrap_err().is_timeout());
        let mut cancelled = Box::pin(send(&client, silent_url));
        let is_pending = poll_fn(|cx| Poll::Ready(cancelled.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending);
        drop(cancelled);
    })
    .await;
    let statuses: Vec<_> = spans.iter().map(|span| span["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["internal_error", "deadline_exceeded", "cancelled"]);
}
