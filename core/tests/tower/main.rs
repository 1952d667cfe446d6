//! The layers over real sockets, in HTTP/1.1 and HTTP/2.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod client;
mod crossing;
mod current;
mod failures;
mod grpc;
mod hyper;
mod recordings;
mod responses;
mod routes;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracehop::recorder::{IncomingRequest, Outcome, OutgoingRequest, Recorder, Recording};
use tracehop::tower::TracePropagationLayer;
use tracehop::{PropagationContext, Propagator, PropagatorBuilder};

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
const SENTRY_TRACE: (&str, &str) =
    ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1");
const BAGGAGE: (&str, &str) = ("baggage", "sentry-sample_rand=0.5");

/// HTTP/1.1 and HTTP/2: whether the version is HTTP/2.
const VERSIONS: [bool; 2] = [false, true];

type HyperClient = Client<HttpConnector, Body>;

fn client(is_http2: bool) -> HyperClient {
    Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http()
}

/// Serves on a free port until the value is dropped.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { address, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, is_http2: bool, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(is_http2, Method::GET, path, headers).await
    }

    async fn send(
        &self,
        is_http2: bool,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.try_send(is_http2, method, path, headers).await.unwrap()
    }

    /// Returns `None` if the response broke off.
    async fn try_send(
        &self,
        is_http2: bool,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let (head, body) = client(is_http2).request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?;
        let trailers = body.trailers().cloned();
        let body = String::from_utf8(body.to_bytes().into()).unwrap();
        Some(Answer { status: head.status, headers: head.headers, body, trailers })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole response.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    trailers: Option<HeaderMap>,
}

impl Answer {
    fn lines(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).into_iter().map(|value| value.to_str().unwrap()).collect()
    }
}

fn options() -> PropagatorBuilder {
    Propagator::builder().traces_sample_rate(1.0)
}

fn propagator() -> Propagator {
    options().build().unwrap()
}

/// The layer as axum's users have it.
fn layer(propagator: &Propagator) -> TracePropagationLayer {
    TracePropagationLayer::new(propagator.clone())
        .route(|request| request.extensions.get::<MatchedPath>().map(MatchedPath::as_str))
}

/// The id of the current trace, `none` if there is none.
fn current() -> String {
    PropagationContext::current().map_or("none".to_owned(), |trace| trace.trace_id().to_string())
}

/// Sends the trace that is current when it is dropped.
struct AtDrop(mpsc::UnboundedSender<String>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        let _ = self.0.send(current());
    }
}

/// A recorder that writes lines.
#[derive(Clone)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    ended: mpsc::UnboundedSender<()>,
}

impl Log {
    /// Returns a propagator with the recorder. The receiver gets a message for each recording that is dropped.
    fn recording() -> (Propagator, Self, mpsc::UnboundedReceiver<()>) {
        let (ended, receiver) = mpsc::unbounded_channel();
        let log = Self { lines: Arc::default(), ended };
        (options().recorder(log.clone()).build().unwrap(), log, receiver)
    }

    fn add(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    /// Returns the lines since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    fn start(&self, line: String) -> Option<Box<dyn Recording>> {
        self.add(line);
        Some(Box::new(One { log: self.clone(), is_finished: AtomicBool::new(false) }))
    }
}

impl Recorder for Log {
    fn start_incoming(
        &self,
        _: &PropagationContext,
        request: &dyn IncomingRequest,
    ) -> Option<Box<dyn Recording>> {
        let route = request.route();
        self.start(format!("in {} {}", request.method(), route.as_deref().unwrap_or("none")))
    }

    fn start_outgoing(
        &self,
        _: Option<&PropagationContext>,
        request: &dyn OutgoingRequest,
    ) -> Option<Box<dyn Recording>> {
        self.start(format!("out {} {}", request.method(), request.url()))
    }
}

struct One {
    log: Log,
    is_finished: AtomicBool,
}

impl Recording for One {
    fn finish(&self, outcome: &Outcome<'_>) {
        self.is_finished.store(true, Ordering::Relaxed);
        self.log.add(match outcome {
            Outcome::Completed { status, .. } => format!("completed {status}"),
            Outcome::Failed { kind, .. } => format!("failed {kind}"),
            other => panic!("{other:?}"),
        });
    }
}

impl Drop for One {
    fn drop(&mut self) {
        if !self.is_finished.load(Ordering::Relaxed) {
            self.log.add("cancelled".to_owned());
        }
        let _ = self.log.ended.send(());
    }
}
