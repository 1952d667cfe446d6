//! Envelopes whose trace only the current context knows.

use std::sync::Arc;

use sentry_core::protocol::{Event, TraceContext};
use sentry_core::{Hub, TransactionContext};
use tracehop_sentry::SentryRecorder;

use super::{DSC, PARENT, TRACE_ID, capture, capturing, child_of, headers, items, options, sdk};

#[test]
fn errors_without_a_trace_join_the_current_one() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    let context = propagator.start_new_trace();
    let transaction = recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
    let stray = child_of(&hub);
    context.in_scope(|| {
        Hub::run(Arc::clone(&stray), || capture(&stray, "stray"));
        // An error with a given trace stays in that trace.
        let given = TraceContext::default();
        let mut event = Event { message: Some("given".to_owned()), ..Default::default() };
        event.contexts.insert("trace".to_owned(), given.into());
        Hub::run(Arc::clone(&stray), || stray.capture_event(event));
        // A transaction that continues the trace of such a hub stays in that trace too.
        let headers = stray
            .configure_scope(|scope| scope.iter_trace_propagation_headers().collect::<Vec<_>>());
        let headers = headers.iter().map(|(name, value)| (*name, &**value));
        let details = TransactionContext::continue_from_headers("goes on", "task", headers);
        Hub::run(Arc::clone(&stray), || stray.start_transaction(details).finish());
        let own = child_of(&hub);
        let transaction = own.start_transaction(TransactionContext::new("own", "task"));
        own.configure_scope(|scope| scope.set_span(Some(transaction.into())));
        Hub::run(Arc::clone(&own), || capture(&own, "own"));
    });
    Hub::run(Arc::clone(&stray), || capture(&stray, "outside"));
    drop(transaction);

    let sent = sent.take();
    let trace_id = context.trace_id().to_string();
    let of_trace: Vec<_> = sent
        .iter()
        .filter(|sent| sent.trace("trace_id") == trace_id && !sent.is_transaction())
        .collect();
    let [error] = &*of_trace else { panic!("{sent:#?}") };
    assert_eq!(error.payload["message"], "stray");
    assert_eq!(error.trace("span_id"), context.span_id().to_string());
    assert_eq!(error.dsc(), items(&context));
    assert_eq!(sent.len(), 6);
    let goes_on = sent.iter().find(|sent| sent.payload["transaction"] == "goes on").unwrap();
    assert!(goes_on.dsc().contains("public_key=sdk"));
}

#[test]
fn contexts_of_one_trace_keep_their_own_rates() {
    let propagator =
        options().traces_sampler(|context| if context.name() == Some("a") { 0.5 } else { 0.25 });
    let propagator = propagator.build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    let baggage = format!("{DSC},sentry-sample_rand=0.1");
    let start = |name: &'static str| {
        let context =
            propagator.continue_trace(&headers(&format!("{TRACE_ID}-{PARENT}-1"), &baggage));
        context.set_transaction(name);
        recorder.start_transaction(&context, child_of(&hub), name, "task")
    };
    let (a, b) = (start("a"), start("b"));
    for (transaction, rate) in [(&a, "0.5"), (&b, "0.25"), (&a, "0.5")] {
        capture(transaction.hub(), "boom");
        // The recorder does not know a span of the application. The current context tells the contexts apart.
        let hub = child_of(transaction.hub());
        let span = hub.configure_scope(|scope| scope.get_span()).unwrap().start_child("a", "b");
        hub.configure_scope(|scope| scope.set_span(Some(span.into())));
        transaction.context().in_scope(|| capture(&hub, "boom"));
        for sent in sent.take() {
            assert_eq!(sent.headers["trace"]["sample_rate"], rate);
        }
    }
}
