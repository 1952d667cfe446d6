//! The collector over HTTP, as SDKs and browsers use it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::Write as _;
use std::net::TcpListener;

use actix_web::dev::ServerHandle;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tracehop_examples::collector;

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";

/// Stopped when dropped.
struct Collector {
    url: String,
    handle: ServerHandle,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = collector::serve(listener).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, handle }
    }

    fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        client().post(format!("{}{path}", self.url)).body(body)
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        client().get(format!("{}{path}", self.url)).send().await.unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// A client that ignores proxies in the environment.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Three envelopes: a transaction, an error in it, and a span that an SDK sends without a transaction.
fn envelopes() -> [String; 3] {
    let trace = json!({ "trace_id": TRACE_ID, "sample_rate": "0.10" });
    let header = json!({ "event_id": "9ec79c33ec9942ab8353589fcb2e04dc", "trace": trace });
    let place = |span: &str, parent: &str| json!({ "trace_id": TRACE_ID, "span_id": span, "parent_span_id": parent, "op": "http.server" });
    let transaction = json!({
        "transaction": "GET /stock", "release": "inventory@1.0", "start_timestamp": 2.0, "timestamp": 3.0,
        "contexts": { "trace": place("2222222222222222", "1111111111111111") },
    });
    let error = json!({
        "exception": { "values": [{
            "type": "SoldOut", "value": "<b>no kettles</b>",
            "stacktrace": { "frames": [
                { "function": "main", "in_app": false },
                { "function": "answer" },
                { "function": "reserve", "filename": "src/stock.rs", "lineno": 7 },
            ] },
        }] },
        "contexts": { "trace": place("2222222222222222", "1111111111111111") },
    });
    let span = json!({ "version": 2, "items": [{
        "trace_id": TRACE_ID, "span_id": "1111111111111111", "name": "GET http://127.0.0.1/stock",
        "is_segment": false, "start_timestamp": 1.0, "end_timestamp": 5.0,
        "attributes": { "sentry.op": { "type": "string", "value": "http.client" } },
    }] });
    [
        format!("{header}\n{{\"type\":\"transaction\"}}\n{transaction}\n"),
        format!("{header}\n{{\"type\":\"event\"}}\n{error}\n"),
        format!("{header}\n{{\"type\":\"span\",\"item_count\":1}}\n{span}\n"),
    ]
}

#[actix_web::test]
async fn envelopes_of_several_senders_form_one_tree() {
    let collector = Collector::start();
    let empty = collector.get(&format!("/traces/{TRACE_ID}/json")).await;
    assert_eq!(empty.status(), 404);
    for envelope in envelopes() {
        let answer = collector.post("/api/1/envelope/", envelope).send().await.unwrap();
        let id = answer.json::<Value>().await.unwrap()["id"].take();
        assert_eq!(id, "9ec79c33ec9942ab8353589fcb2e04dc");
    }

    let list: Value = collector.get("/traces").await.json().await.unwrap();
    assert_eq!(list, json!([{ "trace_id": TRACE_ID, "spans": 2, "events": 1 }]));
    let whole: Value =
        collector.get(&format!("/traces/{TRACE_ID}/json")).await.json().await.unwrap();
    assert_eq!(whole["spans"][0]["op"], "http.client");
    assert_eq!(whole["spans"][1]["parent_span_id"], whole["spans"][0]["span_id"]);
    assert_eq!(whole["events"][0]["span_id"], whole["spans"][1]["span_id"]);
    assert_eq!(whole["events"][0]["dsc"]["sample_rate"], "0.10");
    let spans: Value = collector.get("/spans").await.json().await.unwrap();
    assert_eq!(spans.as_array().unwrap().len(), 2);

    let text = collector.get(&format!("/traces/{TRACE_ID}/text")).await.text().await.unwrap();
    assert!(text.contains("! error of unnamed: SoldOut: <b>no kettles</b>"), "{text}");
    let page = collector.get(&format!("/traces/{TRACE_ID}")).await.text().await.unwrap();
    let page = scraper::Html::parse_document(&page);
    let select = |selector| {
        let selector = scraper::Selector::parse(selector).unwrap();
        page.select(&selector).map(|it| it.text().collect::<String>()).collect::<Vec<_>>()
    };
    assert_eq!(select(".bar").len(), 2);
    assert_eq!(select(".event"), ["⚠ error: SoldOut: <b>no kettles</b>"]);
    assert_eq!(select("pre"), ["reserve (src/stock.rs:7)\nanswer\n"]);
    assert_eq!(select("[role=alert]"), [""; 0]);
}

#[actix_web::test]
async fn envelopes_are_accepted_in_every_sdk_form() {
    let [envelope, ..] = envelopes();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(envelope.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();

    let collector = Collector::start();
    let browser = "/api/1/envelope/?sentry_version=7&sentry_key=key&sentry_client=sentry.javascript.browser%2F11";
    let requests = [
        collector
            .post("/api/1/envelope/", envelope.clone())
            .header("x-sentry-auth", "Sentry sentry_key=key"),
        collector
            .post("/api/1/envelope/", gzip)
            .header("content-encoding", "gzip")
            .header("content-type", "application/x-sentry-envelope"),
        collector
            .post(browser, envelope.clone())
            .header("content-type", "text/plain;charset=UTF-8")
            .header("origin", "http://shop.example"),
        collector.post("/stream", envelope).header("content-type", "application/x-sentry-envelope"),
    ];
    for (n, request) in requests.into_iter().enumerate() {
        assert_eq!(request.send().await.unwrap().status(), 200);
        let spans: Value = collector.get("/spans").await.json().await.unwrap();
        assert_eq!(spans.as_array().unwrap().len(), n + 1);
    }
}

#[actix_web::test]
async fn pages_of_any_origin_send_but_cannot_read() {
    let collector = Collector::start();
    let [envelope, ..] = envelopes();
    let origin = "http://shop.example";
    for path in ["/api/1/envelope/", "/stream"] {
        let answer = collector.post(path, envelope.clone()).header("origin", origin).send().await;
        assert_eq!(answer.unwrap().headers()["access-control-allow-origin"], origin);
    }
    for path in ["/spans", "/traces", &format!("/traces/{TRACE_ID}/json")] {
        let request = client().get(format!("{}{path}", collector.url)).header("origin", origin);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("access-control-allow-origin"), "{path}");
    }
}

#[actix_web::test]
async fn malformed_and_oversized_envelopes_are_refused() {
    let collector = Collector::start();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b'\n'; 9 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000);
    let requests = [
        (collector.post("/api/1/envelope/", "no JSON"), 400),
        (collector.post("/api/1/envelope/", vec![b'\n'; 9 << 20]), 413),
        (collector.post("/api/1/envelope/", bomb).header("content-encoding", "gzip"), 413),
    ];
    for (request, status) in requests {
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

#[actix_web::test]
async fn pages_list_traces_and_send_updates() {
    let collector = Collector::start();
    let page = async |path: &str| {
        let answer = collector.get(path).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, empty) = page("/").await;
    assert!(status == 200 && empty.contains("No trace has arrived yet"), "{empty}");
    for id in [TRACE_ID, "no-trace"] {
        let (status, unknown) = page(&format!("/traces/{id}")).await;
        assert!(status == 404 && unknown.contains(id), "{unknown}");
    }

    let mut updates = collector.get("/updates").await;
    assert_eq!(updates.chunk().await.unwrap().unwrap(), "data: changed\n\n");
    for envelope in envelopes() {
        collector.post("/api/1/envelope/", envelope).send().await.unwrap();
    }
    assert_eq!(updates.chunk().await.unwrap().unwrap(), "data: changed\n\n");
    let (_, list) = page("/").await;
    let list = scraper::Html::parse_document(&list);
    let selector = scraper::Selector::parse(".traces a").unwrap();
    let links = list.select(&selector).filter_map(|link| link.attr("href")).collect::<Vec<_>>();
    assert_eq!(links, [format!("/traces/{TRACE_ID}")]);
    for path in ["/collector.css", "/collector.js"] {
        assert_eq!(page(path).await.0, 200);
    }
}
