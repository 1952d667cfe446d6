//! The page and its script.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::{Collector, Shop, client, data, get, meta, storefront_of};

#[actix_web::test]
async fn page_and_script_share_one_tree_and_dsc() {
    let shop = Shop::start();
    let html = shop.page(&[]).await;
    assert!(html.contains("Tea strainer"));
    let (sentry_trace, baggage) =
        (meta(&html, "sentry-trace").unwrap(), meta(&html, "baggage").unwrap());
    let (trace_id, page_parent) = (&sentry_trace[..32], &sentry_trace[33..49]);

    // The same requests as those of the page's script.
    let (load, call) = ("1234567890abcdef", "fedcba0987654321");
    let origin = shop.storefront.url();
    let answer = client()
        .get(format!("{}/stock/teapot", data(&html, "inventory")))
        .header("origin", &origin)
        .header("sentry-trace", format!("{trace_id}-{call}-1"))
        .header("baggage", &baggage)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    assert_eq!(answer.json::<Value>().await.unwrap()["quantity"], 4);
    let seen = shop.wire.seen();
    let header = json!({ "trace": seen[1].dsc() });
    let place = json!({
        "trace_id": trace_id, "span_id": load, "parent_span_id": page_parent, "op": "pageload",
    });
    let transaction = json!({
        "release": data(&html, "release"), "start_timestamp": 1, "timestamp": 2,
        "contexts": { "trace": place },
        "spans": [{
            "trace_id": trace_id, "span_id": call, "parent_span_id": load, "op": "http.client",
            "start_timestamp": 1, "timestamp": 2,
        }],
    });
    let envelope = format!("{header}\n{{\"type\":\"transaction\"}}\n{transaction}\n");
    for url in data(&html, "envelopes").split_whitespace() {
        let request = client().post(url).header("origin", &origin).body(envelope.clone());
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    let trace = shop.collector.trace(trace_id, 6, 1).await;
    let expected = [
        ("browser http.client", "browser pageload"),
        ("browser pageload", "storefront http.server"),
        ("inventory http.server", "browser http.client"),
        ("inventory http.server", "storefront http.client"),
        ("storefront http.client", "storefront http.server"),
        ("storefront http.server", "none"),
    ];
    let expected = expected.map(|(span, parent)| (span.to_owned(), parent.to_owned()));
    assert_eq!(trace.edges(), expected);
    for header in trace.trace_headers() {
        assert_eq!(*header, seen[0].dsc());
    }
    let trace_url = format!("{}/traces/{trace_id}", shop.collector.0.url());
    assert!(html.contains(&format!("href=\"{trace_url}\"")));
    assert_eq!(get(&trace_url).await.unwrap().status(), 200);
}

#[actix_web::test]
async fn page_has_a_trace_without_inventory() {
    // Bound, but not listened on: connections are refused, and no other process can take the port.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let collector = Collector::start();
    let url = format!("http://{}", closed.local_addr().unwrap());
    let storefront = storefront_of(url, collector.telemetry());
    let answer = get(&storefront.url()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let html = answer.text().await.unwrap();
    assert!(html.contains("We cannot say what is in stock"));
    let sentry_trace = meta(&html, "sentry-trace").unwrap();
    let trace = collector.trace(&sentry_trace[..32], 2, 0).await;
    let call = trace.spans.iter().find(|span| span["op"] == "http.client").unwrap();
    assert_ne!(call["status"], "ok");
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
async fn demo_runs_all_services_in_one_process() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.env_remove("SENTRY_DSN").env_remove("SENTRY_SPOTLIGHT").stdout(Stdio::piped());
    let mut demo = Demo(command.spawn().unwrap());
    let lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let urls: Vec<String> = ["collector", "inventory", "storefront"]
        .into_iter()
        .zip(lines)
        .map(|(name, line)| line.strip_prefix(&format!("{name} listening on ")).unwrap().to_owned())
        .collect();
    let html = get(&urls[2]).await.unwrap().text().await.unwrap();
    assert!(html.contains("Tea strainer"));
    let sentry_trace = meta(&html, "sentry-trace").unwrap();
    let url = format!("{}/traces/{}/text", urls[0], &sentry_trace[..32]);
    let text = crate::until(async || {
        let text = get(&url).await.unwrap().text().await.unwrap();
        ["storefront GET", "inventory GET", "SoldOut"]
            .iter()
            .all(|it| text.contains(it))
            .then_some(text)
    });
    assert!(text.await.contains("dynamic sampling context of every envelope: environment=demo"));
}
