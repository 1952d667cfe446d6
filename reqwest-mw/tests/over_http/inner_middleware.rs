//! Redirects of requests that a middleware further in makes or changes.

use http::Extensions;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, Result};
use tracehop_reqwest::redirect_policy;
use tracehop_reqwest::tracehop::{Propagator, Target};

use crate::redirects::{Host, options, safe_client};

/// What a middleware does with a request.
enum Inner {
    /// Sends it in a task of its own.
    Spawns(Client),
    /// Requests this URL first, without a trace.
    Asks(Client, String),
    /// Adds a query.
    AddsQuery,
    /// Sends it by another client, after changing its path.
    Forwards(ClientWithMiddleware, &'static str),
}

#[async_trait::async_trait]
impl Middleware for Inner {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        match self {
            Self::Spawns(client) => Ok(tokio::spawn(client.execute(request)).await.unwrap()?),
            Self::Asks(client, url) => {
                assert_eq!(client.get(url).send().await?.status(), 200);
                next.run(request, extensions).await
            }
            Self::AddsQuery => {
                request.url_mut().set_query(Some("key=1"));
                next.run(request, extensions).await
            }
            Self::Forwards(client, path) => {
                request.url_mut().set_path(path);
                client.execute(request).await
            }
        }
    }
}

/// Two hosts of which one is a target, and its propagator.
async fn hosts() -> (Host, Host, Propagator) {
    let (ours, other) = (Host::start().await, Host::start().await);
    let targets = [Target::origin(&ours.url)];
    let propagator = options().trace_propagation_targets(targets).build().unwrap();
    (ours, other, propagator)
}

fn with(outer: &Propagator, inner: Inner) -> ClientWithMiddleware {
    ClientBuilder::from_client(safe_client(outer.clone())).with(inner).build()
}

fn plain(propagator: &Propagator) -> Client {
    let policy = redirect_policy(propagator, Policy::default());
    Client::builder().no_proxy().redirect(policy).build().unwrap()
}

#[tokio::test]
async fn spawned_requests_stay_on_the_targets() {
    let (ours, other, propagator) = hosts().await;
    let client = with(&propagator, Inner::Spawns(plain(&propagator)));
    ours.redirect("/off", 302, other.url("/"));
    ours.redirect("/on", 302, "/");
    other.redirect("/back", 302, ours.url("/"));
    other.redirect("/through", 302, ours.url("/off"));
    for (url, status) in [
        (ours.url("/off"), 302),
        (ours.url("/on"), 200),
        (other.url("/"), 200),
        (other.url("/back"), 200),
        (other.url("/through"), 302),
    ] {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), status, "{url}");
    }
    assert!(other.requests().iter().all(|request| request.fields.is_empty()));
}

#[tokio::test]
async fn plain_requests_in_the_same_task_are_followed() {
    let (ours, other, propagator) = hosts().await;
    ours.redirect("/token", 302, other.url("/token"));
    other.redirect("/", 302, other.url("/token"));
    ours.redirect("/off", 302, other.url("/stolen"));
    for url in [ours.url("/token"), other.url("/")] {
        let client = with(&propagator, Inner::Asks(plain(&propagator), url));
        // The redirect of the request itself is not followed.
        assert_eq!(client.get(ours.url("/off")).send().await.unwrap().status(), 302);
    }
    let seen = other.requests();
    assert!(seen.iter().all(|it| it.fields.is_empty() && it.line != "GET /stolen"), "{seen:?}");
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn requests_with_changed_queries_stay_on_the_targets() {
    let (ours, other, propagator) = hosts().await;
    ours.redirect("/", 302, other.url("/"));
    let client = with(&propagator, Inner::AddsQuery);
    assert_eq!(client.get(ours.url("/")).send().await.unwrap().status(), 302);
    assert_eq!(other.requests(), []);
}

#[tokio::test]
async fn second_clients_keep_the_targets_of_the_first() {
    let (ours, other, propagator) = hosts().await;
    ours.redirect("/", 302, other.url("/"));
    ours.redirect("/changed", 302, other.url("/"));
    for path in ["/", "/changed"] {
        let second = safe_client(options().build().unwrap());
        let client = with(&propagator, Inner::Forwards(second, path));
        assert_eq!(client.get(ours.url("/")).send().await.unwrap().status(), 302);
        assert_eq!(other.requests(), [], "{path}");
    }
}

#[tokio::test]
async fn clients_without_middleware_stay_on_the_targets() {
    let (ours, other, propagator) = hosts().await;
    ours.redirect("/", 302, other.url("/"));
    other.redirect("/elsewhere", 302, other.url("/"));
    let client = plain(&propagator);
    assert_eq!(client.get(ours.url("/")).send().await.unwrap().status(), 302);
    assert_eq!(client.get(other.url("/elsewhere")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn sentry_gets_no_headers_by_redirects() {
    let (ours, sentry) = (Host::start().await, Host::start().await);
    ours.redirect("/", 307, sentry.url("/api/1/envelope/"));
    let dsn = sentry.url("/1").replace("http://", "http://key@");
    let client = safe_client(options().dsn(dsn).build().unwrap());
    assert_eq!(client.get(ours.url("/")).send().await.unwrap().status(), 307);
    assert_eq!(ours.requests()[0].fields.len(), 3);
    client.get(sentry.url("/api/1/envelope/")).send().await.unwrap();
    assert_eq!(sentry.requests()[0].fields, [""; 0]);
}

#[tokio::test]
async fn no_chain_takes_headers_off_the_targets() {
    let (ours, other, propagator) = hosts().await;
    let client = safe_client(propagator);
    for chain in 0..32_usize {
        let at = |step: usize| if chain >> step & 1 == 0 { &ours } else { &other };
        let url = |step: usize| at(step).url(&format!("/{chain}/{step}"));
        for step in 0..4 {
            at(step).redirect(&format!("/{chain}/{step}"), 302, url(step + 1));
        }
        client.get(url(0)).send().await.unwrap();
        assert!(other.requests().iter().all(|request| request.fields.is_empty()), "{chain:b}");
    }
}
