//! The `trace` header of envelopes.

use std::net::TcpListener;
use std::sync::Arc;

use sentry_core::protocol::SpanStatus;
use sentry_core::{ClientOptions, Hub, TransactionContext};
use tracehop::Propagator;
use tracehop_envelopes::{Capture, Sent};
use tracehop_sentry::SentryRecorder;

use super::{capture, capturing, child_of, items, options, receive, sdk};

#[test]
fn envelopes_of_other_traces_are_not_changed() {
    let (wrapped, hub) = capturing(&SentryRecorder::new(), sdk());
    let plain = Capture::default();
    let plain_hub = plain.hub(sdk(), |capture| capture);
    let other = SentryRecorder::new();
    let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();

    let context = propagator.start_new_trace();
    let foreign = other.start_transaction(&context, child_of(&hub), "GET", "http.server");
    capture(foreign.hub(), "of another recorder");
    foreign.finish(SpanStatus::Ok);
    capture(&hub, "of no transaction");
    hub.start_transaction(TransactionContext::new("own", "task")).finish();

    let context = propagator.start_new_trace();
    let foreign = other.start_transaction(&context, child_of(&plain_hub), "GET", "http.server");
    capture(foreign.hub(), "of another recorder");
    foreign.finish(SpanStatus::Ok);
    capture(&plain_hub, "of no transaction");
    plain_hub.start_transaction(TransactionContext::new("own", "task")).finish();

    let shape = |sent: &Sent| {
        let names: Vec<_> = sent.headers["trace"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        (sent.types.clone(), names, sent.payload["message"].clone())
    };
    let (wrapped, plain) = (wrapped.take(), plain.take());
    assert_eq!(wrapped.len(), 4);
    let shapes = |sent: &[Sent]| sent.iter().map(shape).collect::<Vec<_>>();
    assert_eq!(shapes(&wrapped), shapes(&plain));
}

#[test]
fn trace_header_passes_the_transport_of_the_sdk() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let options = ClientOptions::new()
        .traces_sample_rate(1.0)
        .dsn(&format!("http://sdk@{address}/1"))
        .http_proxy("")
        .transport(recorder.transport(sentry::transports::DefaultTransportFactory));
    let client = Arc::new(sentry_core::Client::from(options));
    let hub = Arc::new(Hub::new(Some(Arc::clone(&client)), Arc::default()));
    let context = propagator.start_new_trace();
    let transaction = recorder.start_transaction(&context, hub, "GET", "http.server");
    capture(transaction.hub(), "boom");
    let error = Sent::read(&receive(&listener, "200 OK"));
    transaction.finish(SpanStatus::Ok);
    let transaction = Sent::read(&receive(&listener, "200 OK"));
    assert!(client.close(None));
    for sent in [error, transaction] {
        assert_eq!(sent.dsc(), items(&context));
        assert_eq!(sent.trace("span_id"), context.span_id().to_string());
    }
}
