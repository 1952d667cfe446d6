//! Both services over HTTP, and the envelopes that their SDKs send to the collector.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod destinations;
mod foreign_baggage;
mod one_trace;
mod page;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use actix_web::dev::{Server, ServerHandle};
use actix_web::rt;
use scraper::{Html, Selector};
use serde_json::Value;
use tracehop_examples::{collector, inventory, storefront, telemetry};

use self::wire::Wire;

/// The longest time to wait for envelopes. SDKs send them after the response.
const TIMEOUT: Duration = Duration::from_secs(30);

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
const PUBLIC_KEY: &str = "49d0f7386ad645858ae85020e393bef3";
const CALLER: &str = "b72fa28504b07285";

/// A service on a free port, stopped when dropped.
struct Running {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Running {
    fn start(serve: impl FnOnce(TcpListener) -> Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = serve(listener);
        let handle = server.handle();
        rt::spawn(server);
        Self { address, handle }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

struct Collector(Running);

impl Collector {
    fn start() -> Self {
        Self(Running::start(|listener| collector::serve(listener).unwrap()))
    }

    fn telemetry(&self) -> telemetry::Options {
        let collector = Some(self.0.url().parse().unwrap());
        telemetry::Options { collector, ..telemetry::Options::default() }
    }

    async fn json(&self, path: &str) -> Option<Value> {
        let answer = get(&format!("{}{path}", self.0.url())).await.unwrap();
        (answer.status() == 200).then_some(answer)?.json().await.unwrap()
    }

    /// Returns a trace, once at least these numbers of spans and events have arrived.
    async fn trace(&self, trace_id: &str, spans: usize, events: usize) -> Trace {
        until(async || {
            let whole = self.json(&format!("/traces/{trace_id}/json")).await?;
            let list = |name: &str| whole[name].as_array().cloned().unwrap_or_default();
            let trace = Trace { spans: list("spans"), events: list("events") };
            (trace.spans.len() >= spans && trace.events.len() >= events).then_some(trace)
        })
        .await
    }
}

#[derive(Debug)]
struct Trace {
    spans: Vec<Value>,
    events: Vec<Value>,
}

impl Trace {
    /// The label of each span and that of its parent, in alphabetical order.
    fn edges(&self) -> Vec<(String, String)> {
        let mut edges: Vec<_> = self
            .spans
            .iter()
            .map(|span| (label(span), self.label_of(&span["parent_span_id"])))
            .collect();
        edges.sort();
        edges
    }

    /// The label of the span with this id; the id if it has not arrived, `none` if there is no id.
    fn label_of(&self, span_id: &Value) -> String {
        let span = self.spans.iter().find(|span| span["span_id"] == *span_id);
        span.map_or_else(|| span_id.as_str().unwrap_or("none").to_owned(), label)
    }

    /// The `trace` headers of all envelopes.
    fn trace_headers(&self) -> impl Iterator<Item = &Value> {
        self.spans.iter().chain(&self.events).map(|sent| &sent["dsc"])
    }
}

fn label(span: &Value) -> String {
    let text = |name: &str| span[name].as_str().unwrap_or_default();
    format!("{} {}", text("service"), text("op"))
}

/// Both services, a recording proxy between them, and the collector that their SDKs send to.
struct Shop {
    storefront: Running,
    /// The proxy in front of inventory.
    wire: Wire,
    collector: Collector,
    _inventory: Running,
}

impl Shop {
    fn start() -> Self {
        Self::with_telemetry(|_| {})
    }

    fn with_telemetry(change: impl FnOnce(&mut telemetry::Options)) -> Self {
        let collector = Collector::start();
        let mut telemetry = collector.telemetry();
        change(&mut telemetry);
        let options =
            inventory::Options { telemetry: telemetry.clone(), ..inventory::Options::default() };
        let inventory = Running::start(|listener| inventory::serve(listener, &options).unwrap());
        let wire = Wire::to(inventory.url());
        let storefront = storefront_of(wire.url(), telemetry);
        Self { storefront, wire, collector, _inventory: inventory }
    }

    /// Requests the page with these headers, and returns it.
    async fn page(&self, headers: &[(&str, &str)]) -> String {
        let mut request = client().get(self.storefront.url());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.text().await.unwrap()
    }
}

fn storefront_of(inventory: String, telemetry: telemetry::Options) -> Running {
    let options = storefront::Options { inventory: inventory.parse().unwrap(), telemetry };
    Running::start(|listener| storefront::serve(listener, &options).unwrap())
}

/// A client that ignores proxies in the environment.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn get(url: &str) -> reqwest::Result<reqwest::Response> {
    client().get(url).send().await
}

fn meta(html: &str, name: &str) -> Option<String> {
    let selector = Selector::parse(&format!("head > meta[name={name}]")).unwrap();
    let document = Html::parse_document(html);
    let mut tags = document.select(&selector);
    let tag = tags.next()?;
    assert!(tags.next().is_none());
    tag.attr("content").map(str::to_owned)
}

/// A `data-` attribute of the page, which its script reads.
fn data(html: &str, name: &str) -> String {
    let document = Html::parse_document(html);
    let shop = document.select(&Selector::parse("#shop").unwrap()).next().unwrap();
    shop.attr(&format!("data-{name}")).unwrap().to_owned()
}

/// Calls a function until it returns a value.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < TIMEOUT, "nothing arrived in time");
        tokio::task::yield_now().await;
    }
}
