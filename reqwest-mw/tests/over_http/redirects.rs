//! Redirects, of which the client follows some by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use http::Extensions;
use reqwest::redirect::Policy;
use reqwest_middleware::{
    ClientBuilder, ClientWithMiddleware, Middleware, Next, RequestBuilder, Result,
};
use tokio::net::TcpListener;
use tracehop_reqwest::tracehop::{PropagationContext, Propagator, PropagatorBuilder, Target};
use tracehop_reqwest::{RequestBuilderExt as _, TracePropagation, redirect_policy};

const FIELDS: [&str; 4] = ["sentry-trace", "baggage", "traceparent", "tracestate"];

/// A server that redirects the paths that it was given, and answers all others with 200.
#[derive(Clone, Default)]
pub(crate) struct Host {
    pub(crate) url: String,
    redirects: Arc<Mutex<HashMap<String, (u16, String)>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A request that a server got.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) line: String,
    body: String,
    /// The trace headers that it had.
    pub(crate) fields: Vec<&'static str>,
}

impl Host {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let host = Self { url, ..Self::default() };
        let router = Router::new().fallback(answer).with_state(host.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        host
    }

    pub(crate) fn redirect(&self, path: &str, status: u16, location: impl Into<String>) {
        self.redirects.lock().unwrap().insert(path.to_owned(), (status, location.into()));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

async fn answer(
    State(host): State<Host>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    host.requests.lock().unwrap().push(Request {
        line: format!("{method} {}", uri.path()),
        body: String::from_utf8(body.to_vec()).unwrap(),
        fields: FIELDS.into_iter().filter(|name| headers.contains_key(*name)).collect(),
    });
    match host.redirects.lock().unwrap().get(uri.path()) {
        Some((status, location)) => {
            (StatusCode::from_u16(*status).unwrap(), [("location", location.clone())])
                .into_response()
        }
        None => StatusCode::OK.into_response(),
    }
}

/// What reqwest does by itself, for which this crate has a redirect policy: should this test fail one day,
/// that policy may have become unnecessary.
#[tokio::test]
async fn reqwest_takes_the_headers_along_to_other_origins() {
    let (ours, other) = (Host::start().await, Host::start().await);
    for status in [301, 302, 303, 307, 308] {
        ours.redirect("/", status, other.url("/stolen"));
        let mut request = super::plain_client().post(ours.url("/")).body("text");
        for name in FIELDS {
            request = request.header(name, "x");
        }
        let answer = request.header("authorization", "x").send().await.unwrap();
        assert_eq!(answer.url().path(), "/stolen");
        assert_eq!(other.requests()[0].fields, FIELDS, "{status}");
    }
}

pub(crate) fn options() -> PropagatorBuilder {
    Propagator::builder().propagate_traceparent(true).continue_traceparent(true)
}

/// A client with targets. Each of its requests is given a trace that has all headers.
struct Client {
    client: ClientWithMiddleware,
    trace: PropagationContext,
}

impl Client {
    fn with_targets(targets: impl IntoIterator<Item = Target>) -> Self {
        let propagator = options().trace_propagation_targets(targets).build().unwrap();
        let trace = propagator.continue_trace(&[
            ("traceparent", "00-771a43a4192642f0b136d5159a501700-b72fa28504b07285-01"),
            ("tracestate", "vendor=1"),
            ("baggage", "sentry-sample_rand=0.5"),
        ]);
        let policy = redirect_policy(&propagator, Policy::limited(4));
        let client = reqwest::Client::builder().no_proxy().redirect(policy).build().unwrap();
        let client = ClientBuilder::new(client).with(TracePropagation::new(propagator)).build();
        Self { client, trace }
    }

    fn get(&self, url: &str) -> RequestBuilder {
        self.client.get(url).with_trace(&self.trace)
    }

    fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url).with_trace(&self.trace).body("text")
    }
}

pub(crate) fn safe_client(propagator: Propagator) -> ClientWithMiddleware {
    tracehop_reqwest::client(reqwest::Client::builder().no_proxy(), propagator).unwrap()
}

fn request(line: &str, body: &str, fields: &[&'static str]) -> Request {
    Request { line: line.to_owned(), body: body.to_owned(), fields: fields.to_vec() }
}

const NONE: [&str; 0] = [];

#[tokio::test]
async fn redirects_off_the_targets_are_returned() {
    let (ours, other) = (Host::start().await, Host::start().await);
    let client = Client::with_targets([Target::origin(&ours.url)]);
    for status in [301, 302, 303, 307, 308] {
        ours.redirect("/", status, other.url("/elsewhere"));
        let answer = client.post(&ours.url("/")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.url().path()), (status, "/"));
        assert_eq!(answer.headers()["location"], other.url("/elsewhere"));
        assert_eq!(ours.requests(), [request("POST /", "text", &FIELDS)]);
        assert_eq!(other.requests(), []);
    }
}

#[tokio::test]
async fn no_url_spelling_leads_off_the_targets() {
    let (ours, other) = (Host::start().await, Host::start().await);
    let client = Client::with_targets([Target::origin(&ours.url)]);
    let [ours_at, other_at] = [&ours, &other].map(|host| host.url.trim_start_matches("http://"));
    let port = other_at.trim_start_matches("127.0.0.1:");
    for location in [
        format!("//{other_at}/"),
        format!("\\\\{other_at}/"),
        format!("http:{other_at}/").replace("http:", "HTTP:////"),
        format!("http://{ours_at}@{other_at}/"),
        format!("http://{other_at}/?{}", ours.url),
        format!("http://{other_at}/#{}", ours.url),
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://localhost:{port}/"),
        format!("ht\ttp://{other_at}/"),
    ] {
        ours.redirect("/", 302, &location);
        client.get(&ours.url("/")).send().await.unwrap();
        assert_eq!(ours.requests().len(), 1, "{location}");
        assert_eq!(other.requests(), [], "{location}");
    }
}

#[tokio::test]
async fn redirects_among_targets_are_followed_with_the_headers() {
    let (ours, second) = (Host::start().await, Host::start().await);
    let client = Client::with_targets([Target::origin(&ours.url), Target::origin(&second.url)]);
    for (status, line, body) in [
        (302, "GET /b", ""),
        (303, "GET /b", ""),
        (307, "POST /b", "text"),
        (308, "POST /b", "text"),
    ] {
        ours.redirect("/", status, "/a");
        ours.redirect("/a", status, second.url("/b"));
        let answer = client.post(&ours.url("/")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.url().as_str()), (200, &*second.url("/b")));
        let seen = ours.requests();
        assert_eq!((seen.len(), &seen[1].fields[..]), (2, &FIELDS[..]));
        assert_eq!(second.requests(), [request(line, body, &FIELDS)]);
    }
}

#[tokio::test]
async fn redirect_chains_end_where_they_leave_the_targets() {
    let (ours, other) = (Host::start().await, Host::start().await);
    let client = Client::with_targets([Target::origin(&ours.url)]);
    ours.redirect("/", 302, "/a");
    ours.redirect("/a", 307, other.url("/b"));
    other.redirect("/b", 302, ours.url("/c"));
    let answer = client.get(&ours.url("/")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.url().path()), (307, "/a"));
    assert_eq!(ours.requests().len(), 2);
    assert_eq!(other.requests(), []);
}

#[tokio::test]
async fn paths_off_the_targets_get_no_headers() {
    let ours = Host::start().await;
    let client = Client::with_targets([Target::contains("/api")]);
    ours.redirect("/api", 302, "/login");
    assert_eq!(client.get(&ours.url("/api")).send().await.unwrap().status(), 302);
    assert_eq!(ours.requests(), [request("GET /api", "", &FIELDS)]);
}

#[tokio::test]
async fn requests_without_headers_are_redirected_as_usual() {
    let (ours, other) = (Host::start().await, Host::start().await);
    let client = Client::with_targets([Target::origin(&ours.url)]);
    ours.redirect("/out", 307, other.url("/out"));
    other.redirect("/in", 307, ours.url("/in"));
    let answer = client.get(&ours.url("/out")).without_trace().send().await.unwrap();
    assert_eq!(answer.url().as_str(), other.url("/out"));
    let answer = client.get(&other.url("/in")).send().await.unwrap();
    assert_eq!(answer.url().as_str(), ours.url("/in"));
    assert_eq!(ours.requests(), [request("GET /out", "", &NONE), request("GET /in", "", &NONE)]);
    assert_eq!(other.requests(), [request("GET /out", "", &NONE), request("GET /in", "", &NONE)]);
}

#[tokio::test]
async fn redirects_keep_to_targets_of_client_and_trace() {
    let (ours, other) = (Host::start().await, Host::start().await);
    ours.redirect("/", 302, other.url("/"));
    let both = [Target::origin(&ours.url), Target::origin(&other.url)];
    let client = Client::with_targets(both.clone());
    for (targets, requests) in [(&both[..1], 0), (&both[..], 1)] {
        let traces = options().trace_propagation_targets(targets.to_vec()).build().unwrap();
        client
            .client
            .get(ours.url("/"))
            .with_trace(&traces.start_new_trace())
            .send()
            .await
            .unwrap();
        assert_eq!(other.requests().len(), requests);
    }
}

/// Sends another request before each request, as middleware does that needs a token.
struct AsksBefore(RequestBuilder);

#[async_trait::async_trait]
impl Middleware for AsksBefore {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<reqwest::Response> {
        let builder = self.0.try_clone().unwrap();
        assert_eq!(builder.send().await?.status(), 200);
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn nested_requests_are_redirected_by_their_own_targets() {
    let (ours, other) = (Host::start().await, Host::start().await);
    other.redirect("/", 302, other.url("/token"));
    let anywhere = safe_client(options().build().unwrap());
    let asks = anywhere.get(other.url("/"));
    let propagator =
        options().trace_propagation_targets([Target::origin(&ours.url)]).build().unwrap();
    let begin = || options().build().unwrap().start_new_trace();
    for asks in [asks.try_clone().unwrap().with_trace(&begin()), asks.without_trace()] {
        let client = ClientBuilder::from_client(safe_client(propagator.clone()))
            .with(AsksBefore(asks))
            .build();
        assert_eq!(client.get(ours.url("/")).send().await.unwrap().status(), 200);
        assert_eq!(other.requests().len(), 2);
    }
}

#[tokio::test]
async fn stacked_middlewares_all_guard_redirects() {
    let (ours, other) = (Host::start().await, Host::start().await);
    ours.redirect("/", 302, other.url("/"));
    let propagator = |targets: &[&Host]| {
        let targets = targets.iter().map(|host| Target::origin(&host.url));
        options().trace_propagation_targets(targets).build().unwrap()
    };
    let anywhere = options().build().unwrap();
    for (outer, inner, status) in [
        (propagator(&[&ours]), propagator(&[&other]), 302),
        (propagator(&[&ours]), propagator(&[&ours, &other]), 302),
        (propagator(&[&ours]), anywhere.clone(), 302),
        (propagator(&[&ours, &other]), propagator(&[&ours]), 302),
        (propagator(&[&ours, &other]), anywhere.clone(), 200),
    ] {
        let client = ClientBuilder::from_client(safe_client(outer))
            .with(TracePropagation::new(inner))
            .build();
        let call = client.get(ours.url("/")).with_trace(&anywhere.start_new_trace());
        assert_eq!(call.send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn the_given_policy_decides_other_redirects() {
    let ours = Host::start().await;
    let client = Client::with_targets([Target::origin(&ours.url)]);
    ours.redirect("/", 302, "/");
    let error = client.get(&ours.url("/")).send().await.unwrap_err();
    assert!(error.is_redirect());
    assert_eq!(ours.requests().len(), 5);
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn clients_without_the_policy_warn_once() {
    let (ours, other) = (Host::start().await, Host::start().await);
    ours.redirect("/", 302, other.url("/?token=hush"));
    let targets = [Target::origin(&ours.url)];
    let propagator = options().trace_propagation_targets(targets).build().unwrap();
    let client = super::client(propagator);
    let log = super::log::Log::of_this_thread();
    client.get(other.url("/")).send().await.unwrap();
    assert!(!log.text().contains("WARN"), "{}", log.text());
    for _ in 0..2 {
        client.get(ours.url("/")).send().await.unwrap();
    }
    let log = log.text();
    assert_eq!(log.matches("is not a target").count(), 1, "{log}");
    assert!(log.contains("WARN") && log.contains(&other.url) && !log.contains("hush"), "{log}");
}
