//! What arrives behind a proxy: each header as it was sent, and one trace.

use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::header::HeaderValue, rt, web};
use reqwest::{Response, Version};
use scraper::{Html, Selector};
use serde_json::{Value, json};
use tracehop::Propagator;
use tracehop_actix::TracePropagation;

use super::Kind::{self, Haproxy, Nginx};
use super::{GZIP, Proxy, client, large_buffers};
use crate::Running;

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";

const CALLER: &str = "b72fa28504b07285";

const ITEMS: &str = "sentry-trace_id=771a43a4192642f0b136d5159a501700,\
                     sentry-public_key=49d0f7386ad645858ae85020e393bef3,sentry-sample_rand=0.100000,\
                     sentry-transaction=/caf%C3%A9/%F0%9F%AB%96,sentry-sample_rate=1.0,sentry-sampled=true";

/// With blanks, properties, and a member of another vendor.
const UNTIDY: &str =
    "user-id=7;level = 3 , sentry-trace_id=771a43a4192642f0b136d5159a501700 ,sentry-release=%20x";

const PROXIES: [(Kind, Version); 4] = [
    (Nginx, Version::HTTP_11),
    (Nginx, Version::HTTP_2),
    (Haproxy, Version::HTTP_11),
    (Haproxy, Version::HTTP_2),
];

/// The largest baggage by its specification: [W3C](https://www.w3.org/TR/baggage/#limits).
fn longest() -> String {
    let items = format!("{ITEMS},sentry-later=");
    items.clone() + &"x".repeat(8192 - items.len())
}

/// Sends a request in the trace, with these lines of baggage.
async fn visit(proxy: &Proxy, version: Version, baggage: &[&str]) -> reqwest::Result<Response> {
    let mut request = client(version).get(&proxy.url);
    request = request.header("sentry-trace", format!("{TRACE_ID}-{CALLER}-1"));
    for line in baggage {
        request = request.header("baggage", *line);
    }
    request.header("accept-encoding", "gzip").send().await
}

/// Answers with the lines of baggage and sentry-trace that arrived.
fn echo(request: HttpRequest) -> HttpResponse {
    let lines = |name| {
        let lines = request.headers().get_all(name).map(HeaderValue::to_str);
        lines.collect::<Result<Vec<_>, _>>().unwrap()
    };
    HttpResponse::Ok().json([lines("sentry-trace"), lines("baggage")])
}

/// Whether both headers arrive as they were sent. If not, the proxy refused the request.
async fn arrives(proxy: &Proxy, version: Version, baggage: &[&str]) -> bool {
    match visit(proxy, version, baggage).await {
        Ok(response) if response.status() == 200 => {
            assert_eq!(response.version(), version);
            let seen: Value = response.json().await.unwrap();
            assert_eq!(seen, json!([[format!("{TRACE_ID}-{CALLER}-1")], baggage]), "{version:?}");
            true
        }
        Ok(response) => {
            assert_eq!(response.status(), 400, "{version:?}");
            false
        }
        // HAProxy ends a connection of HTTP/2 without an answer.
        Err(error) => {
            assert_eq!((proxy.kind, version), (Haproxy, Version::HTTP_2), "{error}");
            assert!(!error.is_connect(), "{error}");
            false
        }
    }
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn headers_arrive_byte_for_byte() {
    let service = Running::answering(echo);
    for (kind, version) in PROXIES {
        let proxy = Proxy::start(kind, version, &service.url, "");
        for baggage in [&[][..], &[ITEMS], &[UNTIDY], &[UNTIDY, "other=x", ITEMS]] {
            assert!(arrives(&proxy, version, baggage).await, "{kind:?} {version:?} {baggage:?}");
        }
    }
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn longest_baggage_arrives_only_in_large_buffers() {
    let service = Running::answering(echo);
    let longest = &*longest();
    assert_eq!(longest.len(), 8192);
    // With the default settings: whether a baggage of 8192 bytes arrives, and two of them.
    let table = [
        (Nginx, Version::HTTP_11, [false, false]),
        (Nginx, Version::HTTP_2, [true, true]),
        (Haproxy, Version::HTTP_11, [true, false]),
        (Haproxy, Version::HTTP_2, [true, false]),
    ];
    for (kind, version, expected) in table {
        for (settings, expected) in [("", expected), (large_buffers(kind), [true, true])] {
            let proxy = Proxy::start(kind, version, &service.url, settings);
            for (lines, expected) in [(&[longest][..], expected[0]), (&[longest; 2], expected[1])] {
                let arrives = arrives(&proxy, version, lines).await;
                assert_eq!(arrives, expected, "{kind:?} {version:?} {settings:?} {}", lines.len());
            }
        }
    }
}

/// Returns the spans of the trace in a collector, once this number has arrived.
async fn spans(service: &Running, count: usize) -> Vec<Value> {
    let url = format!("{}/traces/{TRACE_ID}/json", service.collector.as_ref().unwrap().url);
    let (client, start) = (client(Version::HTTP_11), Instant::now());
    loop {
        let answer = client.get(&url).send().await.unwrap();
        if answer.status() == 200 {
            let trace: Value = answer.json().await.unwrap();
            let spans = trace["spans"].as_array().unwrap();
            if spans.len() >= count {
                return spans.clone();
            }
        }
        assert!(start.elapsed() < Duration::from_secs(30), "no spans arrived");
        rt::task::yield_now().await;
    }
}

fn meta(html: &str, name: &str) -> String {
    let selector = Selector::parse(&format!("head > meta[name={name}]")).unwrap();
    let html = Html::parse_document(html);
    let tags: Vec<_> = html.select(&selector).map(|tag| tag.attr("content").unwrap()).collect();
    let [tag] = tags.as_slice() else { panic!("{name}: {tags:?}") };
    (*tag).to_owned()
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn request_page_and_envelopes_are_one_trace() {
    let longest = longest();
    for (kind, version) in PROXIES {
        for (settings, baggage) in [("", ITEMS), (large_buffers(kind), &*longest)] {
            // New services for each row, because all rows have the same ids.
            let inventory = Running::inventory();
            let storefront = Running::storefront(&inventory);
            let proxy = Proxy::start(kind, version, &storefront.url, settings);
            let page = visit(&proxy, version, &[baggage]).await.unwrap();
            let page = page.text().await.unwrap();
            assert_eq!(meta(&page, "baggage"), baggage, "{kind:?} {version:?}");

            let [a, b] = spans(&storefront, 2).await.try_into().unwrap();
            let (server, call) = if a["op"] == "http.server" { (a, b) } else { (b, a) };
            let [stock] = spans(&inventory, 1).await.try_into().unwrap();
            assert_eq!(server["parent_span_id"], CALLER, "{kind:?} {version:?}");
            assert_eq!(call["parent_span_id"], server["span_id"]);
            assert_eq!(stock["parent_span_id"], call["span_id"]);
            let span_id = server["span_id"].as_str().unwrap();
            assert_eq!(meta(&page, "sentry-trace"), format!("{TRACE_ID}-{span_id}-1"));
            for span in [&server, &call, &stock] {
                let dsc = span["dsc"].as_object().unwrap();
                assert_eq!(dsc.len(), baggage.split(',').count(), "{dsc:?}");
                assert_eq!(dsc["transaction"], "/café/🫖");
            }
        }
    }
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn long_server_timing_needs_large_buffers_in_nginx() {
    let service = Running::start(|listener| {
        let propagator = Propagator::builder().build().unwrap();
        let app = move || {
            let page = web::get().to(async || web::Html::new("<p>"));
            App::new()
                .route("/", page)
                .wrap(TracePropagation::new(propagator.clone()).server_timing(true))
        };
        HttpServer::new(app).workers(1).listen(listener).unwrap().run()
    });
    let rows = [
        (Nginx, "large_client_header_buffers 4 16k;", 502),
        (Nginx, large_buffers(Nginx), 200),
        (Haproxy, "", 200),
    ];
    for (kind, settings, expected) in rows {
        let proxy = Proxy::start(kind, Version::HTTP_11, &service.url, settings);
        let response = visit(&proxy, Version::HTTP_11, &[&longest()]).await.unwrap();
        assert_eq!(response.status(), expected, "{kind:?} {settings}");
        if expected == 200 {
            let timing = response.headers()["server-timing"].to_str().unwrap();
            assert!(timing.contains(&longest()), "{timing}");
        }
    }
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn variables_may_hold_a_part_of_baggage() {
    let service = Running::answering(echo);
    // What arrives of two lines. nginx joins them from 1.23 on.
    let table: [(_, _, &[&str]); 3] = [
        (Nginx, "proxy_set_header baggage $http_baggage;", &["a=1", "a=1, b=2,c=3"]),
        (Haproxy, "http-request set-header baggage %[req.fhdr(baggage)]", &["b=2,c=3"]),
        (Haproxy, "http-request set-header baggage %[req.hdr(baggage)]", &["c=3"]),
    ];
    for (kind, settings, expected) in table {
        let proxy = Proxy::start(kind, Version::HTTP_11, &service.url, settings);
        let response = visit(&proxy, Version::HTTP_11, &["a=1", "b=2,c=3"]).await.unwrap();
        let seen: Value = response.json().await.unwrap();
        let [line] = seen[1].as_array().unwrap().as_slice() else { panic!("{settings}: {seen}") };
        assert!(expected.contains(&line.as_str().unwrap()), "{settings}: {seen}");
    }
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn access_logs_can_name_the_trace() {
    let service = Running::answering(echo);
    for kind in [Nginx, Haproxy] {
        let proxy = Proxy::start(kind, Version::HTTP_11, &service.url, "");
        visit(&proxy, Version::HTTP_11, &[ITEMS]).await.unwrap();
        let line = format!("{TRACE_ID}-{CALLER}-1 {ITEMS}\n");
        let start = Instant::now();
        // Proxies write after the response.
        while !proxy.log().contains(&line) {
            assert!(start.elapsed() < Duration::from_secs(30), "not logged");
            rt::task::yield_now().await;
        }
    }
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn proxies_compress_pages() {
    let page = Running::answering(|request| crate::ask::good_page(&request));
    for (kind, settings) in [(Nginx, GZIP.0), (Haproxy, GZIP.1)] {
        let proxy = Proxy::start(kind, Version::HTTP_11, &page.url, settings);
        let response = visit(&proxy, Version::HTTP_11, &[ITEMS]).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip", "{kind:?}");
    }
}
