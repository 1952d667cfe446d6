//! A visit is one tree for every head of trace. Envelopes and headers carry the same dynamic sampling context.

use std::rc::Rc;

use actix_web::rt;
use serde_json::Value;

use crate::{CALLER, PUBLIC_KEY, Shop, TRACE_ID, meta};

/// The tree of a visit without the spans of the page. `head` is the parent of the storefront's span.
fn tree_below(head: &str) -> Vec<(String, String)> {
    let edges = [
        ("inventory http.server", "storefront http.client"),
        ("storefront http.client", "storefront http.server"),
        ("storefront http.server", head),
    ];
    edges.map(|(span, above)| (span.to_owned(), above.to_owned())).to_vec()
}

/// Visits the page and checks its trace. Returns the dynamic sampling context of the headers and of all envelopes.
async fn visit(shop: &Shop, head: &str, headers: &[(&str, &str)]) -> Value {
    let html = shop.page(headers).await;
    let calls = shop.wire.seen();
    let [call] = calls.as_slice() else { panic!("{head}: {calls:#?}") };
    let (trace_id, span_id) = call.header("sentry-trace").unwrap().split_at(32);
    let span_id = span_id.trim_start_matches('-').trim_end_matches("-1");

    let trace = shop.collector.trace(trace_id, 3, 1).await;
    let above = if headers.is_empty() { "none" } else { CALLER };
    assert_eq!(trace.edges(), tree_below(above), "{head}: {trace:#?}");
    let with_op = |op: &str| trace.spans.iter().find(|span| span["op"] == op).unwrap();
    assert_eq!(with_op("http.client")["span_id"], span_id, "{head}");
    assert_eq!(with_op("http.client")["name"], format!("GET {}/stock", shop.wire.url()));
    let [error] = trace.events.as_slice() else { panic!("{head}: {trace:#?}") };
    assert_eq!(trace.label_of(&error["span_id"]), "inventory http.server", "{head}");
    assert_eq!(error["title"], "SoldOut: there is no kettle left");
    // The function that captured it and its handler, without the frames of libraries.
    let stack: Vec<_> =
        error["stack"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(stack.len(), 2, "{head}: {stack:#?}");
    assert!(stack[0].contains("report_sold_out (inventory.rs:"), "{head}: {stack:#?}");

    let on_the_wire = call.dsc();
    for header in trace.trace_headers() {
        assert_eq!(*header, on_the_wire, "{head}");
    }
    assert_eq!(meta(&html, "baggage").as_deref(), call.header("baggage"), "{head}");
    on_the_wire
}

#[actix_web::test]
async fn visits_without_a_trace_start_one() {
    let shop = Shop::start();
    let dsc = visit(&shop, "storefront", &[]).await;
    assert_eq!(dsc["release"], concat!("storefront@", env!("CARGO_PKG_VERSION")));
    assert_eq!(dsc["transaction"], "GET /");
    assert_eq!(dsc["public_key"], "0123456789abcdef0123456789abcdef");
}

/// Heads of trace, the baggage that they send, and the part of it that inventory must get; empty if it is all of it.
const HEADS: [(&str, &str, &str); 5] = [
    (
        "@sentry/browser, with a replay",
        "sentry-environment=production,sentry-release=page%401.0.0,sentry-public_key=49d0f7386ad645858ae85020e393bef3,\
         sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-org_id=1,sentry-sampled=true,\
         sentry-sample_rand=0.123456,sentry-sample_rate=0.5,sentry-replay_id=12345678901234567890123456789012",
        "",
    ),
    (
        "@sentry/node, among baggage of other vendors",
        "user-id=7;level=3, sentry-environment=production,sentry-release=node%401.0.0,sentry-public_key=49d0f7386ad645858ae85020e393bef3,\
         sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-transaction=GET%20%2Fcart%2F%3Aid,\
         sentry-sampled=true,sentry-sample_rand=0.1,sentry-sample_rate=1, other=x",
        "sentry-environment=production,sentry-release=node%401.0.0,sentry-public_key=49d0f7386ad645858ae85020e393bef3,\
         sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-transaction=GET%20%2Fcart%2F%3Aid,\
         sentry-sampled=true,sentry-sample_rand=0.1,sentry-sample_rate=1",
    ),
    (
        "sentry-sdk for Python, with numbers in another form",
        "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.100000,\
         sentry-environment=production,sentry-release=py%401.0.0,sentry-public_key=49d0f7386ad645858ae85020e393bef3,\
         sentry-transaction=/caf%C3%A9/%F0%9F%AB%96,sentry-sample_rate=1.0,sentry-sampled=true",
        "",
    ),
    (
        "a head with unknown members",
        "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-public_key=49d0f7386ad645858ae85020e393bef3,sentry-sample_rate=0.10,\
         sentry-sample_rand=0.05000000,sentry-user_segment=vip,sentry-later=%7B%221%22%3A%20true%7D",
        "",
    ),
    ("an old SDK, without baggage", "", ""),
];

#[actix_web::test]
async fn traces_of_browsers_and_sdks_are_continued() {
    let sentry_trace = format!("{TRACE_ID}-{CALLER}-1");
    for (head, baggage, arrives) in HEADS {
        // A new shop for each head, because all heads use the same ids.
        let shop = Shop::start();
        let headers = [("sentry-trace", sentry_trace.as_str()), ("baggage", baggage)];
        let headers = if baggage.is_empty() { &headers[..1] } else { &headers };
        let dsc = visit(&shop, head, headers).await;
        let expected = if arrives.is_empty() { baggage } else { arrives };
        assert_eq!(dsc.as_object().map_or(0, |dsc| dsc.len()), expected.matches("sentry-").count());
        match head {
            "a head with unknown members" => {
                assert_eq!(dsc["sample_rate"], "0.10");
                assert_eq!(dsc["later"], "{\"1\": true}");
            }
            "an old SDK, without baggage" => assert_eq!(dsc, Value::Null),
            _ => assert_eq!(dsc["trace_id"], TRACE_ID),
        }
    }
}

#[actix_web::test]
async fn unsampled_visits_send_only_errors() {
    let shop = Shop::start();
    let baggage =
        format!("sentry-trace_id={TRACE_ID},sentry-public_key={PUBLIC_KEY},sentry-sampled=false");
    let sentry_trace = format!("{TRACE_ID}-{CALLER}-0");
    shop.page(&[("sentry-trace", &sentry_trace), ("baggage", &baggage)]).await;
    let [call] = shop.wire.seen().try_into().unwrap();
    assert!(call.header("sentry-trace").unwrap().ends_with("-0"));
    // Envelopes are sent in order: with those of a second visit, all of the first have arrived.
    visit(&shop, "storefront", &[]).await;
    let trace = shop.collector.trace(TRACE_ID, 0, 1).await;
    assert_eq!(trace.spans, Vec::<Value>::new());
    let [error] = trace.events.as_slice() else { panic!("{trace:#?}") };
    assert_eq!(error["trace_id"], TRACE_ID);
    assert_eq!(error["dsc"], call.dsc());
    assert_eq!(call.dsc()["public_key"], PUBLIC_KEY);
}

#[actix_web::test]
async fn concurrent_visits_are_separate_trees() {
    let shop = Rc::new(Shop::start());
    let visits = (1..=24).map(|n| {
        let (shop, trace_id) = (Rc::clone(&shop), format!("{n:032x}"));
        rt::spawn(async move {
            let baggage = format!(
                "sentry-trace_id={trace_id},sentry-public_key={PUBLIC_KEY},sentry-n={trace_id}"
            );
            let sentry_trace = format!("{trace_id}-{CALLER}-1");
            shop.page(&[("sentry-trace", &sentry_trace), ("baggage", &baggage)]).await;
            let trace = shop.collector.trace(&trace_id, 3, 1).await;
            assert_eq!(trace.edges(), tree_below(CALLER), "{trace:#?}");
            assert_eq!(trace.events.len(), 1);
            for header in trace.trace_headers() {
                assert_eq!(header["n"], *trace_id);
            }
        })
    });
    for visit in visits.collect::<Vec<_>>() {
        visit.await.unwrap();
    }
}
