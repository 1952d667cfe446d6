//! Requests as a server receives them, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod failures;
mod inner_middleware;
#[cfg(feature = "tracing")]
mod log;
mod redirects;
mod sentry;
#[cfg(feature = "tracing")]
mod spans;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder, RequestInitialiser};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tokio::net::TcpListener;
use tracehop_reqwest::tracehop::{
    InTrace as _, PropagationContext, Propagator, PropagatorBuilder, Target,
};
use tracehop_reqwest::{RequestBuilderExt as _, TraceChoice, TracePropagation};

const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// A server that keeps the requests that it receives, and answers the first ones with a failure.
#[derive(Clone, Default)]
struct Server {
    received: Arc<Mutex<Vec<(Uri, HeaderMap)>>>,
    failures: usize,
    url: String,
}

impl Server {
    async fn start(failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { failures, url, ..Self::default() };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The lines of a header, for each request.
    fn lines(&self, name: &str) -> Vec<Vec<String>> {
        let lines = |headers: &HeaderMap| {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        self.received.lock().unwrap().iter().map(|(_, headers)| lines(headers)).collect()
    }
}

async fn answer(State(server): State<Server>, uri: Uri, headers: HeaderMap) -> StatusCode {
    let mut received = server.received.lock().unwrap();
    received.push((uri, headers));
    if received.len() <= server.failures { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

fn options() -> PropagatorBuilder {
    Propagator::builder().traces_sample_rate(1.0)
}

fn propagator() -> Propagator {
    options().build().unwrap()
}

/// Without the proxy that the environment may name.
fn plain_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn client(propagator: Propagator) -> ClientWithMiddleware {
    ClientBuilder::new(plain_client()).with(TracePropagation::new(propagator)).build()
}

fn retry() -> RetryTransientMiddleware<ExponentialBackoff> {
    let policy = ExponentialBackoff::builder()
        .retry_bounds(Duration::from_millis(1), Duration::from_millis(1))
        .build_with_max_retries(3);
    RetryTransientMiddleware::new_with_policy(policy)
}

fn sentry_trace(context: &PropagationContext) -> Vec<String> {
    vec![context.trace_data().sentry_trace().to_owned()]
}

fn baggage(context: &PropagationContext) -> Vec<String> {
    vec![context.dsc().as_str().to_owned()]
}

#[tokio::test]
async fn requests_carry_the_current_trace() {
    let server = Server::start(0).await;
    let client = client(propagator());
    let context = propagator().start_new_trace();
    async { client.get(server.url("/")).send().await.unwrap() }.in_trace(context.clone()).await;
    assert_eq!(server.lines("sentry-trace"), [sentry_trace(&context)]);
    assert_eq!(server.lines("baggage"), [baggage(&context)]);
}

#[tokio::test]
async fn requests_outside_of_a_trace_begin_one() {
    let server = Server::start(0).await;
    let client = client(propagator());
    for _ in 0..2 {
        client.get(server.url("/")).send().await.unwrap();
    }
    let lines = server.lines("sentry-trace");
    assert_eq!((lines[0].len(), lines[1].len()), (1, 1));
    assert_ne!(lines[0][0][..32], lines[1][0][..32]);
}

#[tokio::test]
async fn the_current_trace_wins_over_a_kept_one() {
    let server = Server::start(0).await;
    let client = client(propagator());
    let mut extensions = axum::http::Extensions::new();
    let context = propagator().start_new_trace();
    let request = || client.get(server.url("/")).build().unwrap();
    client.execute_with_extensions(request(), &mut extensions).await.unwrap();
    async { client.execute_with_extensions(request(), &mut extensions).await.unwrap() }
        .in_trace(context.clone())
        .await;
    assert_eq!(server.lines("sentry-trace")[1], sentry_trace(&context));
}

#[tokio::test]
async fn requests_can_have_a_given_trace_or_none() {
    let server = Server::start(0).await;
    let client = client(propagator());
    let (current, given) = (propagator().start_new_trace(), propagator().start_new_trace());
    async {
        client.get(server.url("/")).with_trace(&given).send().await.unwrap();
        client.get(server.url("/")).without_trace().send().await.unwrap();
    }
    .in_trace(current)
    .await;
    assert_eq!(server.lines("sentry-trace"), [sentry_trace(&given), vec![]]);
    assert_eq!(server.lines("baggage"), [baggage(&given), vec![]]);
}

#[tokio::test]
async fn requests_get_own_span_ids_by_option() {
    for (per_request, distinct) in [(false, 1), (true, 4)] {
        let server = Server::start(0).await;
        let options = options().span_id_per_request(per_request).propagate_traceparent(true);
        let client = client(options.build().unwrap());
        let context = propagator().start_new_trace();
        async {
            for _ in 0..2 {
                client.get(server.url("/")).send().await.unwrap();
                client.get(server.url("/")).with_trace(&context).send().await.unwrap();
            }
        }
        .in_trace(context.clone())
        .await;
        let lines = server.lines("sentry-trace");
        assert!(lines.iter().all(|line| line[0][..32] == context.trace_id().to_string()));
        let ids: HashSet<_> = lines.iter().map(|line| line[0][33..49].to_owned()).collect();
        assert_eq!((lines.len(), ids.len()), (4, distinct));
        assert_eq!(ids.contains(&context.span_id().to_string()), !per_request);
        assert_eq!(server.lines("baggage"), vec![baggage(&context); 4]);
    }
}

#[tokio::test]
async fn targets_are_compared_with_the_final_url() {
    let server = Server::start(0).await;
    let targets = [Target::contains("to=inventory"), Target::origin("https://127.0.0.1")];
    let propagator = Propagator::builder().trace_propagation_targets(targets).build().unwrap();
    let client = client(propagator);
    client.get(server.url("/")).query(&[("to", "inventory")]).send().await.unwrap();
    client.get(server.url("/")).query(&[("to", "others")]).send().await.unwrap();
    let lines = server.lines("sentry-trace");
    assert_eq!((lines[0].len(), lines[1].len()), (1, 0));
}

#[tokio::test]
async fn targets_of_client_and_trace_both_count() {
    let with = |targets: &[&str]| {
        let targets = targets.iter().copied().map(Target::contains);
        let builder = Propagator::builder().trace_propagation_targets(targets);
        builder.build().unwrap()
    };
    for (clients, traces, sent) in [
        (with(&["127.0.0.1"]), with(&["/stock"]), 1),
        (with(&[]), propagator(), 0),
        (propagator(), with(&[]), 0),
    ] {
        let server = Server::start(0).await;
        let client = client(clients);
        let get = || client.get(server.url("/stock"));
        let given = traces.start_new_trace();
        get().with_trace(&given).send().await.unwrap();
        async { get().send().await.unwrap() }.in_trace(traces.start_new_trace()).await;
        let lines = server.lines("sentry-trace");
        assert_eq!((lines[0].len(), lines[1].len()), (sent, sent));
    }
}

#[tokio::test]
async fn headers_of_the_application_are_kept() {
    let server = Server::start(0).await;
    let client = client(propagator());
    let context = propagator().start_new_trace();
    let get = || client.get(server.url("/")).with_trace(&context);
    get()
        .header("baggage", "mine=1;p, sentry-release=old")
        .header("baggage", "b=2")
        .send()
        .await
        .unwrap();
    get().header("sentry-trace", "by hand").header("baggage", "sentry-a=1").send().await.unwrap();
    assert_eq!(
        server.lines("baggage"),
        [vec![format!("mine=1;p,b=2,{}", context.dsc().as_str())], vec!["sentry-a=1".to_owned()]]
    );
    assert_eq!(server.lines("sentry-trace"), [sentry_trace(&context), vec!["by hand".to_owned()]]);
}

/// Adds baggage to all requests of an application.
struct Tenant;

impl RequestInitialiser for Tenant {
    fn init(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("baggage", "tenant=7")
    }
}

#[tokio::test]
async fn baggage_survives_from_initialisers_not_from_default_headers() {
    let server = Server::start(0).await;
    let context = propagator().start_new_trace();
    let initialised = ClientBuilder::from_client(client(propagator())).with_init(Tenant).build();
    let defaults = [(BAGGAGE, HeaderValue::from_static("tenant=7"))].into_iter().collect();
    let defaults = reqwest::Client::builder().no_proxy().default_headers(defaults);
    let defaults = tracehop_reqwest::client(defaults, propagator()).unwrap();
    for client in [initialised, defaults] {
        client.get(server.url("/")).with_trace(&context).send().await.unwrap();
    }
    let ours = context.dsc().as_str();
    assert_eq!(server.lines("baggage"), [[format!("tenant=7,{ours}")], [ours.to_owned()]]);
}

#[tokio::test]
async fn built_requests_take_the_choice_of_their_extensions() {
    let server = Server::start(0).await;
    let client = client(propagator());
    let (current, given) = (propagator().start_new_trace(), propagator().start_new_trace());
    let get = || client.get(server.url("/"));
    async {
        // The choice of the builder is lost here.
        let request = get().without_trace().build().unwrap();
        client.execute(request).await.unwrap();
        let (split, request) = get().with_trace(&given).build_split();
        split.execute(request.unwrap()).await.unwrap();
        for choice in [TraceChoice::Without, TraceChoice::Given(given.clone())] {
            let mut extensions = http::Extensions::new();
            extensions.insert(choice);
            let request = get().build().unwrap();
            client.execute_with_extensions(request, &mut extensions).await.unwrap();
        }
    }
    .in_trace(current.clone())
    .await;
    let current = sentry_trace(&current);
    assert_eq!(
        server.lines("sentry-trace"),
        [current.clone(), current, vec![], sentry_trace(&given)]
    );
}

#[tokio::test]
async fn every_retry_carries_the_headers_once() {
    let ours = || TracePropagation::new(propagator());
    let new = || ClientBuilder::new(plain_client());
    for client in
        [new().with(retry()).with(ours()).build(), new().with(ours()).with(retry()).build()]
    {
        let server = Server::start(2).await;
        let context = propagator().start_new_trace();
        let answer = client.get(server.url("/")).with_trace(&context).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(server.lines("sentry-trace"), vec![sentry_trace(&context); 3]);
        assert_eq!(server.lines("baggage"), vec![baggage(&context); 3]);

        let server = Server::start(2).await;
        client.get(server.url("/")).send().await.unwrap();
        let lines = server.lines("sentry-trace");
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() == 1 && *line == lines[0]), "{lines:?}");
    }
}

#[tokio::test]
async fn plain_requests_carry_an_injected_trace() {
    let server = Server::start(0).await;
    let context = propagator().start_new_trace();
    let client = plain_client();
    let mut request = client.get(server.url("/stock?a=1")).header("accept", "*/*").build().unwrap();
    tracehop_reqwest::inject(&context, &mut request);
    client.execute(request).await.unwrap();
    assert_eq!(server.lines("sentry-trace"), [sentry_trace(&context)]);
    assert_eq!(server.lines("accept"), [vec!["*/*".to_owned()]]);
    assert_eq!(server.received.lock().unwrap()[0].0, "/stock?a=1");
}
