//! Thousands of concurrent requests, each in a trace of its own, through handlers that spawn, block, panic and so on,
//! on several threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Extension, Router};
use http::Request;
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tower::{Layer as _, ServiceExt as _};
use tower_http::catch_panic::CatchPanicLayer;
use tracehop::tower::{ClientTracePropagation, ClientTracePropagationLayer, TraceChoice};
use tracehop::{InTrace as _, PropagationContext};

use crate::{AtDrop, HyperClient, Server, VERSIONS, client, current, layer, propagator};

const REQUESTS: usize = 2_700;

/// How many requests run at the same time: few enough for the limit of open files.
const AT_ONCE: usize = 128;

/// What the handler does; each request takes the next kind.
const KINDS: [&str; 9] =
    ["await", "spawn", "thread", "select", "timeout", "panic", "cancelled", "given", "stream"];

/// The trace of request number `n`.
fn trace_id(n: usize) -> String {
    format!("{:032x}", n + 1)
}

/// The baggage of request number `n`, with an item that no other request has.
fn baggage(n: usize) -> String {
    format!("sentry-trace_id={},sentry-sample_rand=0.5,sentry-n={n}", trace_id(n))
}

/// The calls that the service in the middle makes: the number of the request, `sentry-trace` and `baggage`.
type Calls = Arc<Mutex<Vec<(usize, String, String)>>>;

async fn record(Path(n): Path<usize>, State(calls): State<Calls>, headers: HeaderMap) {
    let header = |name| {
        let mut lines = headers.get_all(name).into_iter();
        let line = lines.next().map(|line| line.to_str().unwrap().to_owned());
        assert_eq!(lines.next(), None);
        line.unwrap_or_default()
    };
    calls.lock().unwrap().push((n, header("sentry-trace"), header("baggage")));
}

/// The service in the middle.
#[derive(Clone)]
struct Middle {
    client: ClientTracePropagation<HyperClient>,
    calls_at: String,
    /// For the kind `cancelled`, by number of the request: gets a message when the handler waits, and the trace that
    /// is current when the handler is dropped.
    cancelled: Arc<Mutex<HashMap<usize, mpsc::UnboundedSender<String>>>>,
}

impl Middle {
    async fn call(&self, n: usize) {
        self.call_in(n, None).await;
    }

    async fn call_in(&self, n: usize, trace: Option<PropagationContext>) {
        let mut request =
            Request::get(format!("{}/{n}", self.calls_at)).body(Body::empty()).unwrap();
        if let Some(trace) = trace {
            request.extensions_mut().insert(TraceChoice::Given(trace));
        }
        assert_eq!(self.client.clone().oneshot(request).await.unwrap().status(), 200);
    }
}

async fn handle(
    Path((kind, n)): Path<(String, usize)>,
    Extension(trace): Extension<PropagationContext>,
    State(middle): State<Middle>,
) -> Body {
    let own = trace_id(n);
    assert_eq!(current(), own);
    middle.call(n).await;
    match &*kind {
        "await" => {
            tokio::join!(middle.call(n), middle.call(n));
        }
        "spawn" => {
            let other = middle.clone();
            tokio::spawn(async move { other.call(n).await }.in_current_trace()).await.unwrap();
            assert_eq!(tokio::spawn(async { current() }).await.unwrap(), "none");
        }
        "thread" => {
            let seen = move || (current(), trace.in_scope(current), current());
            let seen = tokio::task::spawn_blocking(seen).await.unwrap();
            assert_eq!(seen, ("none".to_owned(), own.clone(), "none".to_owned()));
            middle.call(n).await;
        }
        "select" => {
            tokio::select! {
                () = std::future::pending() => (),
                () = middle.call(n) => (),
            }
        }
        "timeout" => {
            let call = async {
                middle.call(n).await;
                std::future::pending::<()>().await;
            };
            let _ = tokio::time::timeout(Duration::from_millis(20), call).await;
        }
        "panic" => std::panic::resume_unwind(Box::new("on purpose")),
        "cancelled" => {
            let sender = middle.cancelled.lock().unwrap().remove(&n).unwrap();
            let _at_drop = AtDrop(sender.clone());
            sender.send("waits".to_owned()).unwrap();
            std::future::pending::<()>().await;
        }
        "given" => {
            let seen = tokio::spawn(async move {
                middle.call_in(n, Some(trace.child())).await;
                current()
            });
            assert_eq!(seen.await.unwrap(), "none");
        }
        "stream" => {
            let late = futures_util::stream::once(async move {
                middle.call(n).await;
                assert_eq!(current(), trace_id(n));
                Ok::<_, std::convert::Infallible>(trace_id(n))
            });
            return Body::from_stream(late);
        }
        _ => panic!("no such kind"),
    }
    assert_eq!(current(), own);
    own.into()
}

/// A handler outside of the layer, on the same threads: it must see no trace.
async fn outside() -> String {
    let before = current();
    tokio::task::yield_now().await;
    format!("{before} {}", current())
}

/// Makes request number `n` and checks what the caller sees.
async fn one(server: &Server, middle: &Middle, client: HyperClient, n: usize) {
    let kind = KINDS[n % KINDS.len()];
    let request = Request::get(server.url(&format!("/in/{kind}/{n}")))
        .header("sentry-trace", format!("{}-b72fa28504b07285-1", trace_id(n)))
        .header("baggage", baggage(n));
    let response = client.request(request.body(Body::empty()).unwrap());
    if kind == "cancelled" {
        let (sender, mut events) = mpsc::unbounded_channel();
        middle.cancelled.lock().unwrap().insert(n, sender);
        tokio::select! {
            _ = response => panic!("answered"),
            event = events.recv() => assert_eq!(event.unwrap(), "waits"),
        }
        assert_eq!(events.recv().await.unwrap(), trace_id(n));
    } else {
        let (head, body) = response.await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if kind == "panic" {
            assert_eq!(head.status, 500);
        } else {
            assert_eq!(body, trace_id(n), "{kind}");
        }
    }
    if n.is_multiple_of(3) {
        assert_eq!(server.get(false, "/out", &[]).await.body, "none none");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_requests_keep_their_own_traces() {
    for is_http2 in VERSIONS {
        all_requests(is_http2).await;
    }
}

async fn all_requests(is_http2: bool) {
    let calls = Calls::default();
    let called =
        Server::start(Router::new().route("/{n}", get(record)).with_state(Arc::clone(&calls)));
    let called = called.await;
    let propagator = propagator();
    let middle = Middle {
        client: ClientTracePropagationLayer::new(propagator.clone()).layer(client(is_http2)),
        calls_at: called.url(""),
        cancelled: Arc::default(),
    };
    let app = Router::new()
        .route("/in/{kind}/{n}", get(handle))
        .with_state(middle.clone())
        .layer(layer(&propagator))
        .layer(CatchPanicLayer::new())
        .route("/out", get(outside));
    let server = Arc::new(Server::start(app).await);
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    // One connection for all requests of HTTP/2.
    let client = client(is_http2);
    let mut requests = JoinSet::new();
    for n in 0..REQUESTS {
        let (permits, server) = (Arc::clone(&permits), Arc::clone(&server));
        let (middle, client) = (middle.clone(), client.clone());
        requests.spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            // A request that fails may leave its caller waiting without end.
            let one = one(&server, &middle, client, n);
            let one = tokio::time::timeout(Duration::from_secs(60), one);
            one.await.unwrap_or_else(|_| panic!("request {n} is still not answered"));
        });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }

    let mut spans = HashMap::new();
    let mut counts = vec![0; REQUESTS];
    for (n, sentry_trace, line) in &*calls.lock().unwrap() {
        assert!(sentry_trace.starts_with(&trace_id(*n)), "call of request {n}: {sentry_trace}");
        assert_eq!(*line, baggage(*n));
        counts[*n] += 1;
        // No two requests share a span.
        let owner = spans.insert(sentry_trace.clone(), *n);
        assert!(owner.is_none_or(|owner| owner == *n), "{sentry_trace} is of {owner:?} and {n}");
    }
    for (n, count) in counts.into_iter().enumerate() {
        let kind = KINDS[n % KINDS.len()];
        let expected = match kind {
            "panic" | "cancelled" => 1,
            "await" => 3,
            _ => 2,
        };
        // A request with a timeout may make its second call or not.
        assert!(count == expected || kind == "timeout" && count == 1, "{kind}: {count}");
    }
}
