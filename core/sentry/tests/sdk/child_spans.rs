//! Spans below a transaction, whose ids the next service gets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use sentry_core::Hub;
use sentry_core::protocol::SpanStatus;
use tracehop::hop::{ClientHop, TraceChoice};
use tracehop::recorder::OutgoingRequest;
use tracehop::{PropagationContext, Propagator};
use tracehop_envelopes::Sent;
use tracehop_sentry::{ChildSpan, SentryRecorder};

use super::{capturing, child_of, options, sdk};

/// A request that this service makes.
struct Call(&'static str);

impl OutgoingRequest for Call {
    fn method(&self) -> &str {
        "GET"
    }

    fn url(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }
}

const CALL: Call = Call("https://a:b@api.example.com:8443/stock?q=hush#hush");

/// Starts the hop of a call, and returns the `sentry-trace` that the call gets.
fn call(propagator: &Propagator, context: &PropagationContext) -> (ClientHop, String) {
    let choice = Some(TraceChoice::Given(context.clone()));
    let hop = ClientHop::start(propagator, choice, || panic!("a trace was given"), &CALL);
    let mut headers = HashMap::<String, String>::new();
    hop.inject(&mut headers);
    let sentry_trace = headers.remove("sentry-trace").unwrap();
    (hop, sentry_trace)
}

#[test]
fn child_spans_are_sent_and_handed_on() {
    let recorder = SentryRecorder::new();
    let propagator = options().traces_sample_rate(1.0).recorder(recorder.clone()).build().unwrap();
    let (sent, hub) = capturing(&recorder, sdk());
    for in_hub in [true, false] {
        let context = propagator.start_new_trace();
        let transaction =
            recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
        let work = |context: &PropagationContext| {
            let (hop, first) = call(&propagator, context);
            hop.finish(503);
            let second = ChildSpan::start(context, "queue.publish", "orders").unwrap();
            (first, second.context().clone())
        };
        // Either the current hub has the transaction, or the context carries it.
        let (first, second) = if in_hub {
            Hub::run(Arc::clone(transaction.hub()), || work(&context))
        } else {
            work(transaction.context())
        };
        transaction.finish(SpanStatus::Ok);
        let [sent] = &*sent.take() else { panic!("one transaction") };
        let [call, publish] = sent.spans() else { panic!("{sent:#?}") };
        let span_id = call["span_id"].as_str().unwrap();
        assert_eq!(first, format!("{}-{span_id}-1", context.trace_id()));
        assert_ne!(span_id, context.span_id().to_string());
        assert_eq!(call["parent_span_id"], context.span_id().to_string());
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
        assert_eq!(second.parent_span_id(), Some(context.span_id()));
        assert_eq!(publish["parent_span_id"], context.span_id().to_string());
        assert_eq!(publish["op"], "queue.publish");
        assert_eq!(publish["description"], "orders");
        // The span was dropped without a status.
        assert_eq!(publish["status"], "cancelled");
    }
}

#[test]
fn spans_that_are_not_recorded_are_none() {
    let recorder = SentryRecorder::new();
    let with_recorder = || options().recorder(recorder.clone());
    let sampling = with_recorder().traces_sample_rate(1.0).build().unwrap();
    let deferring = with_recorder().build().unwrap();
    let unsampled = with_recorder().traces_sample_rate(0.0).build().unwrap();
    let (_sent, hub) = capturing(&recorder, sdk());
    let has_child = |context: &PropagationContext, hub: &Arc<Hub>| {
        Hub::run(Arc::clone(hub), || ChildSpan::start(context, "a", "b").is_some())
    };
    let call_has_child = |propagator, context: &PropagationContext, hub: &Arc<Hub>| {
        let (_hop, sentry_trace) = Hub::run(Arc::clone(hub), || call(propagator, context));
        // A call without a span hands on the context itself.
        sentry_trace != context.trace_data().sentry_trace()
    };
    for (propagator, expected) in [(&sampling, true), (&deferring, false), (&unsampled, false)] {
        let context = propagator.start_new_trace();
        assert!(!has_child(&context, &hub), "no transaction");
        let transaction =
            recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
        assert_eq!(has_child(&context, transaction.hub()), expected);
        assert_eq!(call_has_child(propagator, &context, transaction.hub()), expected);
        assert_eq!(has_child(transaction.context(), &hub), expected);
        assert_eq!(call_has_child(propagator, transaction.context(), &hub), expected);
        assert!(!has_child(&propagator.start_new_trace(), transaction.hub()), "another trace");
        let hub = Arc::clone(transaction.hub());
        let carrying = transaction.context().clone();
        transaction.finish(SpanStatus::Ok);
        assert!(!has_child(&carrying, &hub), "the transaction is finished");
        assert!(!has_child(&carrying, &child_of(&Hub::main())), "the transaction is finished");
        assert!(!call_has_child(propagator, &context, &hub), "the transaction is finished");
    }
}

#[test]
fn outgoing_requests_end_with_status_error_or_cancellation() {
    let recorder = SentryRecorder::new();
    let propagator = options().traces_sample_rate(1.0).recorder(recorder.clone()).build().unwrap();
    let (sent, hub) = capturing(&recorder, sdk());
    let table: &[(fn(ClientHop), &str)] = &[
        (|hop| hop.finish(204), "ok"),
        (|hop| hop.finish(404), "not_found"),
        (|hop| hop.fail("timeout"), "deadline_exceeded"),
        (|hop| hop.fail("connect"), "internal_error"),
        (|hop| drop(hop), "cancelled"),
    ];
    for (end, status) in table {
        let transaction =
            recorder.start_transaction(&propagator.start_new_trace(), child_of(&hub), "a", "task");
        end(call(&propagator, transaction.context()).0);
        transaction.finish(SpanStatus::Ok);
        let statuses = |sent: &Sent| sent.spans().iter().map(|it| it["status"].clone()).collect();
        let statuses: Vec<Vec<_>> = sent.take().iter().map(statuses).collect();
        assert_eq!(statuses, [[*status]]);
    }
}
