//! Both services, as a browser and other services see them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use actix_web::dev::ServerHandle;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{App, HttpRequest, HttpServer, web};
use scraper::{Html, Selector};
use serde_json::Value;
use tracehop_examples::{inventory, storefront};

/// Both services on free ports, stopped when dropped.
struct Shop {
    storefront: String,
    inventory: String,
    handles: Vec<ServerHandle>,
}

impl Shop {
    fn start() -> Self {
        let (listener, address) = listen();
        let server = inventory::serve(listener, &inventory::Options { database: None }).unwrap();
        let mut shop = Self::with_inventory_at(address);
        shop.run(server);
        shop
    }

    fn with_inventory_at(inventory: SocketAddr) -> Self {
        let (listener, address) = listen();
        let inventory = format!("http://{inventory}");
        let options = storefront::Options { inventory: inventory.parse().unwrap() };
        let server = storefront::serve(listener, &options).unwrap();
        let mut shop = Self { storefront: format!("http://{address}"), inventory, handles: vec![] };
        shop.run(server);
        shop
    }

    fn run(&mut self, server: actix_web::dev::Server) {
        self.handles.push(server.handle());
        actix_web::rt::spawn(server);
    }

    /// All that is known of all traces.
    async fn traces(&self) -> String {
        let list = get(&format!("{}/traces", self.storefront)).await.unwrap();
        let list: Value = list.json().await.unwrap();
        let mut all = list.to_string();
        for trace in list.as_array().unwrap() {
            all += &format!("{:?}", self.hops(trace["trace_id"].as_str().unwrap()).await);
        }
        all
    }

    async fn hops(&self, trace_id: &str) -> Vec<Value> {
        let url = format!("{}/traces/{trace_id}/json", self.storefront);
        let trace: Value = get(&url).await.unwrap().json().await.unwrap();
        trace["hops"].as_array().unwrap().clone()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for handle in &self.handles {
            drop(handle.stop(false));
        }
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Without the proxy that the environment may name.
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

#[actix_web::test]
async fn a_page_and_its_script_are_one_tree_with_one_dynamic_sampling_context() {
    let shop = Shop::start();
    let html = get(&shop.storefront).await.unwrap().text().await.unwrap();
    assert!(html.contains("Tea strainer"));
    let (sentry_trace, baggage) =
        (meta(&html, "sentry-trace").unwrap(), meta(&html, "baggage").unwrap());
    let (trace_id, page_parent) = (&sentry_trace[..32], &sentry_trace[33..49]);

    // What the page's script does.
    let page_load = "1234567890abcdef";
    let answer = client()
        .get(format!("{}/stock/teapot", shop.inventory))
        .header("origin", &shop.storefront)
        .header("sentry-trace", format!("{trace_id}-{page_load}-1"))
        .header("baggage", &baggage)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], shop.storefront);
    assert_eq!(answer.json::<Value>().await.unwrap()["quantity"], 4);
    let report = serde_json::json!({
        "service": "browser", "name": "page load", "trace_id": trace_id, "span_id": page_load,
        "parent_span_id": page_parent, "sampled": true, "dsc": baggage, "continued": true,
        "reason": null, "start_ms": 0.0, "duration_ms": 1.0,
    });
    let answer =
        client().post(format!("{}/hops", shop.storefront)).json(&report).send().await.unwrap();
    assert_eq!(answer.status(), 204);

    let hops = shop.hops(trace_id).await;
    let edges: Vec<(&str, &str)> = hops
        .iter()
        .map(|hop| {
            let parent = hops.iter().find(|other| other["span_id"] == hop["parent_span_id"]);
            (hop["name"].as_str().unwrap(), parent.map_or("", |hop| hop["name"].as_str().unwrap()))
        })
        .collect();
    assert_eq!(
        edges,
        [
            ("GET /", ""),
            ("page load", "GET /"),
            ("GET /stock/{sku}", "page load"),
            ("GET /stock", "GET /"),
        ]
    );
    for hop in &hops {
        assert_eq!(hop["dsc"], baggage);
        assert_eq!(hop["sampled"], true);
        assert_eq!(hop["continued"], hop["parent_span_id"] != Value::Null);
    }

    let picture = get(&format!("{}/traces/{trace_id}", shop.storefront)).await.unwrap();
    let picture = Html::parse_document(&picture.text().await.unwrap());
    assert_eq!(picture.select(&Selector::parse(".bar").unwrap()).count(), 4);
}

#[actix_web::test]
async fn a_report_that_cannot_be_drawn_is_refused() {
    let shop = Shop::start();
    let report = |start_ms: f64| {
        serde_json::json!({
            "service": "browser", "name": "page load", "parent_span_id": null, "sampled": null,
            "trace_id": "771a43a4192642f0b136d5159a501700", "span_id": "1234567890abcdef",
            "dsc": "", "continued": true, "reason": null, "start_ms": start_ms, "duration_ms": 1.0,
        })
    };
    let mut long = report(0.0);
    long["name"] = "x".repeat(20_000).into();
    let url = format!("{}/hops", shop.storefront);
    for (report, status) in
        [(report(0.0), 204), (report(1e308), 422), (report(-1.0), 422), (long, 413)]
    {
        let answer = client().post(&url).json(&report).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
}

/// Killed when dropped.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn both_services_run_in_one_process() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    let mut demo = Demo(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("inventory listening on http://127.0.0.1:"));
    let ready = lines.next().unwrap();
    let url = ready.strip_prefix("storefront listening on ").unwrap();
    let html = get(url).await.unwrap().text().await.unwrap();
    assert!(html.contains("Tea strainer"));
    assert!(meta(&html, "sentry-trace").is_some());
}

#[actix_web::test]
async fn the_shop_continues_the_trace_of_whoever_calls_it() {
    let shop = Shop::start();
    let trace_id = "771a43a4192642f0b136d5159a501700";
    let baggage =
        "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.25,sentry-x=%2f";
    let answer = client()
        .get(&shop.storefront)
        .header("sentry-trace", format!("{trace_id}-b72fa28504b07285-0"))
        .header("baggage", format!("userId=alice, {baggage}"))
        .send()
        .await
        .unwrap();
    let html = answer.text().await.unwrap();
    assert!(meta(&html, "sentry-trace").unwrap().starts_with(trace_id));
    assert!(meta(&html, "sentry-trace").unwrap().ends_with("-0"));
    assert_eq!(meta(&html, "baggage").as_deref(), Some(baggage));
    let hops = shop.hops(trace_id).await;
    assert_eq!(hops.len(), 2);
    assert!(hops.iter().all(|hop| hop["dsc"] == baggage && hop["sampled"] == false), "{hops:?}");
}

#[actix_web::test]
async fn baggage_of_others_is_never_sent_on() {
    // What the storefront asks goes here, as if here were inventory.
    let calls = Data::new(Mutex::new(Vec::<HeaderMap>::new()));
    let seen = Data::clone(&calls);
    let server = HttpServer::new(move || {
        let inventory = async |request: HttpRequest, calls: Data<Mutex<Vec<HeaderMap>>>| {
            calls.lock().unwrap().push(request.headers().clone());
            web::Json(Vec::<inventory::Item>::new())
        };
        App::new().app_data(Data::clone(&seen)).default_service(web::to(inventory))
    });
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let mut shop = Shop::with_inventory_at(server.addrs()[0]);
    shop.run(server.run());
    let whole_shop = Shop::start();

    let trace = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
    let ours = "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.25";
    for (foreign, sentry_trace, sent) in [
        (format!("user=hush,{ours},xsentry-a=hush"), trace, Some(ours)),
        (format!("{ours}, SENTRY-a=hush;hush=1"), trace, Some(ours)),
        ("user=hush".to_owned(), trace, None),
        ("user=hush,sentry-org_id=1,sentry-a=hush".to_owned(), trace, Some("")),
        (format!("user=hush,{ours},sentry-a=hush"), "malformed", Some("")),
    ] {
        for url in [
            shop.storefront.clone(),
            whole_shop.storefront.clone(),
            format!("{}/stock", whole_shop.inventory),
        ] {
            let request = client().get(url).header("sentry-trace", sentry_trace);
            let answer = request.header("baggage", &foreign).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert!(!format!("{:?}", answer.headers()).contains("hush"), "{foreign}");
            assert!(!answer.text().await.unwrap().contains("hush"), "{foreign}");
        }
        let calls = std::mem::take(&mut *calls.lock().unwrap());
        assert_eq!(calls.len(), 1);
        assert!(!format!("{calls:?}").contains("hush"), "{foreign}");
        let baggage = calls[0].get("baggage").map(|value| value.to_str().unwrap());
        match sent {
            // A trace of its own, of which the storefront says all.
            Some("") => assert!(baggage.unwrap().contains("sentry-release=storefront%40")),
            sent => assert_eq!(baggage, sent, "{foreign}"),
        }
    }
    for log in [whole_shop.traces().await, shop.traces().await] {
        assert!(!log.contains("hush"), "{log}");
    }
}

#[actix_web::test]
async fn another_organisations_trace_is_not_continued_and_the_report_says_why() {
    let shop = Shop::start();
    let trace_id = "771a43a4192642f0b136d5159a501700";
    client()
        .get(&shop.storefront)
        .header("sentry-trace", format!("{trace_id}-b72fa28504b07285-1"))
        .header("baggage", "sentry-org_id=1")
        .send()
        .await
        .unwrap();
    let url = format!("{}/traces/{trace_id}/text", shop.storefront);
    assert_eq!(get(&url).await.unwrap().status(), 404);
    let list: Value =
        get(&format!("{}/traces", shop.storefront)).await.unwrap().json().await.unwrap();
    let hops = shop.hops(list[0]["trace_id"].as_str().unwrap()).await;
    assert_eq!(hops[0]["reason"], r#"the trace belongs to organisation "1", this service to "0""#);
    assert_eq!(hops[1]["parent_span_id"], hops[0]["span_id"]);
}

#[actix_web::test]
async fn a_page_without_inventory_is_still_a_page_with_a_trace() {
    // Bound and not listened on: nobody answers there, and nobody else can take the port.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let shop = Shop::with_inventory_at(nobody.local_addr().unwrap());
    let answer = get(&shop.storefront).await.unwrap();
    assert_eq!(answer.status(), 200);
    let html = answer.text().await.unwrap();
    assert!(html.contains("We cannot say what is in stock"));
    let sentry_trace = meta(&html, "sentry-trace").unwrap();
    assert_eq!(shop.hops(&sentry_trace[..32]).await.len(), 1);
}
