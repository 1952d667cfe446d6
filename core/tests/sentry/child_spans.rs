//! Spans whose id goes out.

use std::sync::Arc;

use sentry_core::Hub;
use sentry_core::protocol::SpanStatus;
use tracehop::PropagationContext;
use tracehop::sentry::{ChildSpan, Transaction};

use super::{child_of, options, recorder, sdk};

#[test]
fn a_child_span_is_below_the_current_span_and_its_id_goes_out() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let (recorder, hub) = recorder(&propagator, sdk());
    let context = propagator.start_new_trace();
    let transaction = Transaction::start(&context, child_of(&hub), "GET", "http.server");
    let (first, second) = Hub::run(Arc::clone(transaction.hub()), || {
        let url = "https://a:b@api.example.com:8443/stock?q=hush#hush";
        let first = ChildSpan::http_client(&context, "GET", url).unwrap();
        let ids = first.context().clone();
        first.finish_with_http_status(503);
        let second = ChildSpan::start(&context, "queue.publish", "orders").unwrap();
        (ids, second.context().clone())
    });
    transaction.finish(SpanStatus::Ok);
    let [sent] = &*recorder.take() else { panic!("one transaction") };
    let [call, publish] = sent.spans() else { panic!("{sent:#?}") };
    assert_eq!(call["span_id"], first.span_id().to_string());
    assert_eq!(call["parent_span_id"], context.span_id().to_string());
    assert_eq!(first.parent_span_id(), Some(context.span_id()));
    assert_eq!(call["trace_id"], context.trace_id().to_string());
    assert_eq!(call["op"], "http.client");
    assert_eq!(call["description"], "GET https://api.example.com:8443/stock");
    assert_eq!(call["status"], "unavailable");
    let data = serde_json::json!({
        "http.request.method": "GET",
        "url": "https://api.example.com:8443/stock",
        "server.address": "api.example.com",
        "server.port": 8443,
        "http.response.status_code": 503,
    });
    assert_eq!(call["data"], data);
    assert_eq!(publish["span_id"], second.span_id().to_string());
    assert_eq!(publish["status"], "cancelled");
}

#[test]
fn a_span_that_nobody_would_record_is_none() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let deferring = options().build().unwrap();
    let unsampled = options().traces_sample_rate(0.0).build().unwrap();
    let (_recorder, hub) = recorder(&propagator, sdk());
    let has_child = |context: &PropagationContext, hub: &Arc<Hub>| {
        Hub::run(Arc::clone(hub), || ChildSpan::start(context, "a", "b").is_some())
    };
    for (propagator, expected) in [(&propagator, true), (&deferring, false), (&unsampled, false)] {
        let context = propagator.start_new_trace();
        assert!(!has_child(&context, &hub), "no transaction");
        let transaction = Transaction::start(&context, child_of(&hub), "GET", "http.server");
        assert_eq!(has_child(&context, transaction.hub()), expected);
        assert!(!has_child(&propagator.start_new_trace(), transaction.hub()), "another trace");
        let hub = Arc::clone(transaction.hub());
        transaction.finish(SpanStatus::Ok);
        assert!(!has_child(&context, &hub), "the transaction is gone");
    }
}
