//! Requests of axum over HTTP, without the SDK's own layers and beside them.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::routing::get;
use axum::{Extension, Router};
use sentry_core::{Hub, Level};
use sentry_tower::{NewSentryLayer, SentryHttpLayer};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tracehop::tower::{ClientTracePropagationLayer, TracePropagationLayer};
use tracehop::{InTrace as _, PropagationContext, Propagator};
use tracehop_envelopes::{Capture, Sent};
use tracehop_sentry::SentryRecorder;

use crate::{DSC, PARENT, TRACE_ID, capturing, options, sdk};

fn fail(message: &str) {
    Hub::current().capture_message(message, Level::Error);
}

async fn work(Extension(trace): Extension<PropagationContext>) -> String {
    assert_eq!(PropagationContext::current().map(|here| here.span_id()), Some(trace.span_id()));
    fail("handler");
    tokio::spawn(async { fail("job") }.in_current_trace()).await.unwrap();
    trace.trace_data().sentry_trace().to_owned()
}

async fn stream() -> Body {
    Body::from_stream(futures_util::stream::once(async {
        fail("body");
        Ok::<_, Infallible>("x")
    }))
}

async fn panic() {
    fail("before");
    std::panic::resume_unwind(Box::new("on purpose"));
}

/// Captures an error by the hub in the extensions.
async fn hub_of_request(Extension(hub): Extension<Arc<Hub>>) {
    assert!(Arc::ptr_eq(&hub, &Hub::current()));
    hub.capture_message("hub", Level::Error);
}

/// Makes more calls than the SDK keeps spans. Returns the `sentry-trace` of each call, one a line.
async fn call_often(propagator: Propagator) -> String {
    let answer = |request: Request| {
        let sent = request.headers()["sentry-trace"].to_str().unwrap().to_owned();
        ready(Ok::<_, Infallible>(axum::http::Response::new(sent)))
    };
    let client = ClientTracePropagationLayer::new(propagator).layer(service_fn(answer));
    let mut sent = Vec::new();
    for _ in 0..1_010 {
        let request =
            axum::http::Request::get("http://api.example.com/stock").body(Body::empty()).unwrap();
        sent.push(client.clone().oneshot(request).await.unwrap().into_body());
    }
    sent.join("\n")
}

/// A service that the SDK records, and what it sends. `layers` puts more layers around or inside of ours.
fn serve(layers: impl FnOnce(Router, TracePropagationLayer) -> Router) -> (Router, Capture) {
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    // The requests of a test run on its thread.
    Hub::current().bind_client(hub.client());
    let propagator = options().traces_sample_rate(1.0).recorder(recorder).build().unwrap();
    let ours = TracePropagationLayer::new(propagator.clone())
        .route(|request| request.extensions.get::<MatchedPath>().map(MatchedPath::as_str));
    let routes = Router::new()
        .route("/work/{id}", get(work))
        .route("/stream", get(stream))
        .route("/panic", get(panic))
        .route("/hub", get(hub_of_request))
        .route("/often", get(move || call_often(propagator)));
    (layers(routes, ours), sent)
}

/// Makes a request in a trace, and ends the server: all that it records is sent then. Returns the body of the response.
async fn ask(app: &Router, path: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    let (end, ended) = oneshot::channel::<()>();
    let server = axum::serve(listener, app.clone());
    let server = server.with_graceful_shutdown(async { ended.await.unwrap() });
    let server = tokio::spawn(server.into_future());
    let request = reqwest::Client::new()
        .get(url)
        .header("host", "shop.example.com")
        .header("sentry-trace", format!("{TRACE_ID}-{PARENT}-1"))
        .header("baggage", DSC);
    let body = request.send().await.unwrap().text().await.unwrap();
    end.send(()).unwrap();
    server.await.unwrap().unwrap();
    body
}

fn only_transaction(sent: &[Sent]) -> &Sent {
    let mut transactions = sent.iter().filter(|sent| sent.is_transaction());
    let transaction = transactions.next().unwrap();
    assert!(transactions.next().is_none(), "{sent:#?}");
    transaction
}

#[tokio::test]
async fn a_request_has_one_transaction_and_its_errors() {
    let (app, sent) = serve(|routes, ours| routes.layer(CatchPanicLayer::new()).layer(ours));
    for (path, name, status, errors) in [
        ("/work/7?token=1", "GET /work/{id}", "ok", &["handler", "job"][..]),
        ("/stream", "GET /stream", "ok", &["body"]),
        ("/panic", "GET /panic", "internal_error", &["before"]),
        #[cfg(feature = "http")]
        ("/hub", "GET /hub", "ok", &["hub"]),
        ("/nowhere", "GET <none>", "not_found", &[]),
    ] {
        ask(&app, path).await;
        let sent = sent.take();
        let transaction = only_transaction(&sent);
        assert_eq!(transaction.payload["transaction"], name);
        assert_eq!(transaction.trace("status"), status, "{path}");
        assert_eq!(transaction.trace("parent_span_id"), PARENT);
        let url = transaction.payload["request"]["url"].as_str().unwrap();
        assert!(url.starts_with("http://shop.example.com/") && !url.contains("token"), "{url}");
        let mut messages = Vec::new();
        for sent in &sent {
            assert_eq!(sent.trace("trace_id"), TRACE_ID, "{path}");
            assert!(sent.dsc().contains("replay_id="), "{path}");
            if !sent.is_transaction() {
                assert_eq!(sent.trace("span_id"), transaction.trace("span_id"), "{path}");
                messages.push(sent.payload["message"].as_str().unwrap());
            }
        }
        assert_eq!(messages, errors, "{path}");
    }
}

#[tokio::test]
async fn calls_past_the_limit_hand_on_the_transaction() {
    let (app, sent) = serve(|routes, ours| routes.layer(ours));
    let called = ask(&app, "/often").await;
    let sent = sent.take();
    let transaction = only_transaction(&sent);
    assert_eq!((called.lines().count(), transaction.spans().len()), (1_010, 1_000));
    let spans = transaction.spans().iter().map(|span| span["span_id"].as_str().unwrap());
    // The calls past the limit are below the transaction itself.
    let expected = spans.chain([transaction.trace("span_id")]);
    let expected = expected.map(|id| format!("{TRACE_ID}-{id}-1")).collect::<HashSet<_>>();
    assert_eq!(called.lines().map(str::to_owned).collect::<HashSet<_>>(), expected);
}

#[tokio::test]
async fn late_errors_of_jobs_stay_in_the_trace() {
    let (go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let of_job = (Arc::clone(&go_on), Arc::clone(&done));
    let spawn = || async move {
        let (go_on, done) = of_job;
        let job = async move {
            go_on.notified().await;
            fail("late");
            done.notify_one();
        };
        drop(tokio::spawn(job.in_current_trace()));
    };
    let (app, sent) = serve(|routes, ours| routes.route("/job", get(spawn)).layer(ours));
    ask(&app, "/job").await;
    drop(app);
    let request = sent.take();
    let transaction = only_transaction(&request);
    go_on.notify_one();
    done.notified().await;
    let [error] = &*sent.take() else { panic!("one error") };
    assert_eq!(error.payload["message"], "late");
    assert_eq!(error.trace("trace_id"), TRACE_ID);
    assert_eq!(error.trace("span_id"), transaction.trace("span_id"));
}

fn hub() -> NewSentryLayer<Request> {
    NewSentryLayer::new_from_top()
}

fn http() -> SentryHttpLayer {
    SentryHttpLayer::new()
}

fn transaction() -> SentryHttpLayer {
    SentryHttpLayer::new().enable_transaction()
}

#[tokio::test]
async fn the_sdk_layers_share_the_trace() {
    type Layers = fn(Router, TracePropagationLayer) -> Router;
    // The layers from the outermost to the innermost, and the number of transactions.
    let table: [(&str, Layers, usize); 5] = [
        ("hub, http, ours", |app, ours| app.layer(ours).layer(http()).layer(hub()), 1),
        ("hub, ours, http", |app, ours| app.layer(http()).layer(ours).layer(hub()), 1),
        ("ours, hub, http", |app, ours| app.layer(http()).layer(hub()).layer(ours), 1),
        (
            "hub, transaction, ours",
            |app, ours| app.layer(ours).layer(transaction()).layer(hub()),
            1,
        ),
        (
            "ours, hub, transaction",
            |app, ours| app.layer(transaction()).layer(hub()).layer(ours),
            2,
        ),
    ];
    for (case, layers, transactions) in table {
        let (app, sent) = serve(layers);
        let handed_on = ask(&app, "/work/7").await;
        let sent = sent.take();
        let count = sent.iter().filter(|sent| sent.is_transaction()).count();
        assert_eq!((count, sent.len()), (transactions, transactions + 2), "{case}");
        let spans = sent.iter().map(|sent| sent.trace("span_id")).collect::<HashSet<_>>();
        for sent in &sent {
            assert_eq!(sent.trace("trace_id"), TRACE_ID, "{case}");
            assert!(sent.dsc().contains("replay_id="), "{case}");
            let parent = sent.trace("parent_span_id");
            assert!(parent == PARENT || spans.contains(parent), "{case}: {parent}");
        }
        // The next service gets the span of a transaction as its parent.
        let is_sent = sent.iter().any(|sent| {
            sent.is_transaction() && handed_on == format!("{TRACE_ID}-{}-1", sent.trace("span_id"))
        });
        assert!(is_sent, "{case}: {handed_on}");
    }
}
