//! Requests of clients, as the called service sees them.

use std::future::{Ready, ready};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Error;
use hyper_util::rt::TokioIo;
use tower::retry::{Policy, RetryLayer};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _};
use tower_http::follow_redirect::FollowRedirectLayer;
use tracehop::tower::{ClientTracePropagationLayer, TraceChoice};
use tracehop::{Field, InTrace as _, Propagator, Target};

use crate::{Log, SENTRY_TRACE, Server, VERSIONS, client, options, propagator};

/// Answers with the trace headers of the request, one line each.
async fn show(headers: HeaderMap) -> String {
    let lines = Field::ALL.iter().flat_map(|field| {
        let values = headers.get_all(field.name()).into_iter();
        values.map(|value| format!("{}: {}\n", field.name(), value.to_str().unwrap()))
    });
    lines.collect()
}

async fn show_server() -> Server {
    Server::start(Router::new().route("/", get(show))).await
}

/// Sends a request, and returns the body of the response.
async fn send<S, E: std::fmt::Debug, B>(client: S, request: Request<Body>) -> String
where
    S: Service<Request<Body>, Response = Response<B>, Error = E>,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let response = client.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

fn to(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).unwrap()
}

fn targets(targets: impl IntoIterator<Item = Target>) -> Propagator {
    options().trace_propagation_targets(targets).build().unwrap()
}

#[tokio::test]
async fn requests_carry_the_chosen_trace() {
    let server = show_server().await;
    let propagator = propagator();
    let [outer, given] = [(); 2].map(|()| propagator.start_new_trace());
    let lines = |trace: &tracehop::PropagationContext| {
        let data = trace.trace_data();
        format!("sentry-trace: {}\nbaggage: {}\n", data.sentry_trace(), data.baggage().unwrap())
    };
    for version in VERSIONS {
        let client = ClientTracePropagationLayer::new(propagator.clone()).layer(client(version));
        let choose = |choice| {
            let mut request = to(&server.url("/"));
            request.extensions_mut().insert::<TraceChoice>(choice);
            request
        };
        let current = send(client.clone(), to(&server.url("/"))).in_trace(outer.clone());
        assert_eq!(current.await, lines(&outer));
        let other = choose(TraceChoice::Given(given.clone()));
        assert_eq!(send(client.clone(), other).in_trace(outer.clone()).await, lines(&given));
        let none = choose(TraceChoice::Without);
        assert_eq!(send(client.clone(), none).in_trace(outer.clone()).await, "");
        // Outside of any trace, each request starts one.
        let started = [
            send(client.clone(), to(&server.url("/"))).await,
            send(client, to(&server.url("/"))).await,
        ];
        assert!(started[0].starts_with("sentry-trace: ") && started[0] != started[1]);
    }
}

#[tokio::test]
async fn headers_set_by_hand_are_kept() {
    let server = show_server().await;
    let client = ClientTracePropagationLayer::new(propagator()).layer(client(false));
    let (name, value) = SENTRY_TRACE;
    let mut request = to(&server.url("/"));
    request.headers_mut().insert(name, value.parse().unwrap());
    assert_eq!(send(client.clone(), request).await, format!("{name}: {value}\n"));
    let mut request = to(&server.url("/"));
    request.headers_mut().insert("baggage", "tenant=7".parse().unwrap());
    assert!(send(client, request).await.contains("\nbaggage: tenant=7,sentry-"));
}

#[tokio::test]
async fn only_targets_get_the_trace() {
    let server = show_server().await;
    let port = server.address.port();
    for (target, is_target) in [
        (Target::host("127.0.0.1"), true),
        (Target::origin(format!("http://127.0.0.1:{port}")), true),
        (Target::host("localhost"), false),
        (Target::host("api.example.com"), false),
    ] {
        let layer = ClientTracePropagationLayer::new(targets([target.clone()]));
        let answer = send(layer.layer(client(false)), to(&server.url("/"))).await;
        assert_eq!(!answer.is_empty(), is_target, "{target:?}");
    }
}

/// As with hyper's own connections, whose requests have a path and the header `Host`.
#[tokio::test]
async fn the_host_header_completes_the_url() {
    let server = show_server().await;
    for (host, is_target) in [("127.0.0.1", true), ("api.example.com", false)] {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (mut sender, connection) =
            ::hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (propagator, log, _) = Log::recording();
        let client = ServiceBuilder::new()
            .layer(ClientTracePropagationLayer::new(propagator))
            .service_fn(move |request| sender.send_request(request));
        let mut request = to("/");
        request.headers_mut().insert("host", host.parse().unwrap());
        let trace = targets([Target::host("127.0.0.1")]).start_new_trace();
        let answer = send(client, request).in_trace(trace).await;
        assert_eq!(!answer.is_empty(), is_target, "{host}");
        assert_eq!(log.take(), [format!("out GET http://{host}/"), "completed 200".to_owned()]);
    }
}

/// Follows redirects of the same client to another origin.
#[tokio::test]
async fn redirects_off_the_targets_take_no_trace_along() {
    let elsewhere = show_server().await;
    let location = format!("http://localhost:{}/", elsewhere.address.port());
    let redirect = async move || (StatusCode::FOUND, [("location", location.clone())]);
    let server = Server::start(Router::new().route("/", get(redirect))).await;
    for version in VERSIONS {
        let layer = ClientTracePropagationLayer::new(targets([Target::host("127.0.0.1")]));
        let layers = ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(layer);
        assert_eq!(send(layers.service(client(version)), to(&server.url("/"))).await, "");
        let everywhere = ClientTracePropagationLayer::new(propagator());
        let layers = ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(everywhere);
        let shown = send(layers.service(client(version)), to(&server.url("/"))).await;
        assert!(shown.starts_with("sentry-trace: "), "{shown}");
    }
}

/// Tries again as long as the service is busy.
#[derive(Clone)]
struct WhileBusy;

impl<B> Policy<Request<Body>, Response<B>, Error> for WhileBusy {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<B>, Error>,
    ) -> Option<Ready<()>> {
        let is_busy = result.as_ref().is_ok_and(|response| response.status() == 503);
        is_busy.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut clone = to(&request.uri().to_string());
        clone.headers_mut().clone_from(request.headers());
        Some(clone)
    }
}

#[tokio::test]
async fn retries_carry_one_trace_once() {
    let (at_call, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let handler = async move |headers: HeaderMap| {
        at_call.send(show(headers).await).unwrap();
        // Every third call is answered.
        static CALLS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        if number.is_multiple_of(3) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let server = Server::start(Router::new().route("/", get(handler))).await;
    let (propagator, log, _) = Log::recording();
    let layer = || ClientTracePropagationLayer::new(propagator.clone());
    let trace = propagator.start_new_trace();
    let attempt =
        |status: u16| [format!("out GET {}", server.url("/")), format!("completed {status}")];

    let outside = ServiceBuilder::new().layer(RetryLayer::new(WhileBusy)).layer(layer());
    let sent = send(outside.service(client(false)), to(&server.url("/")));
    sent.in_trace(trace.clone()).await;
    assert_eq!(log.take(), [attempt(503), attempt(503), attempt(200)].concat());

    let inside = ServiceBuilder::new().layer(layer()).layer(RetryLayer::new(WhileBusy));
    let sent = send(inside.service(client(false)), to(&server.url("/")));
    sent.in_trace(trace.clone()).await;
    assert_eq!(log.take(), attempt(200));

    let data = trace.trace_data();
    let expected =
        format!("sentry-trace: {}\nbaggage: {}\n", data.sentry_trace(), data.baggage().unwrap());
    for _ in 0..6 {
        assert_eq!(calls.recv().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn failures_end_the_recording() {
    // The port is closed again.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let (propagator, log, mut ended) = Log::recording();
    let client = ClientTracePropagationLayer::new(propagator).layer(client(false));
    client.clone().oneshot(to(&url)).await.unwrap_err();
    assert_eq!(log.take(), [format!("out GET {url}"), "failed request".to_owned()]);
    ended.recv().await.unwrap();

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let call = client.oneshot(to(&url));
    let accepted = silent.accept();
    tokio::select! {
        _ = call => panic!("answered"),
        stream = accepted => drop(stream.unwrap().1),
    }
    ended.recv().await.unwrap();
    assert_eq!(log.take(), [format!("out GET {url}"), "cancelled".to_owned()]);
}
