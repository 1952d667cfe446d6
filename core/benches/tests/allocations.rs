//! Counts the allocations of each operation.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use allocation_counter::measure;
use http::HeaderMap;
use tracehop::wire::{SentryTrace, Traceparent};
use tracehop::{Propagator, SpanId, TraceId};

const SENTRY_TRACE: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
const BAGGAGE: &str = "other=1,sentry-trace_id=771a43a4192642f0b136d5159a501700,\
    sentry-sample_rand=0.123456,sentry-sample_rate=0.25,sentry-sampled=true,sentry-org_id=1,\
    sentry-public_key=key,sentry-release=shop%401.4.0,sentry-environment=production,\
    sentry-transaction=GET%20%2Fusers";

fn allocations(work: impl FnOnce()) -> u64 {
    measure(work).count_total
}

fn headers(baggage: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("sentry-trace", SENTRY_TRACE.parse().unwrap());
    headers.insert("baggage", baggage.parse().unwrap());
    headers
}

#[test]
fn header_values_read_and_write_without_allocation() {
    // The first use sets up the random numbers of the thread.
    let _ = (TraceId::random(), SpanId::random());
    assert_eq!(
        allocations(|| {
            let value = SentryTrace::parse(SENTRY_TRACE.as_bytes()).unwrap();
            assert_eq!(value.encode(&mut [0; SentryTrace::MAX_LEN]), SENTRY_TRACE);
            let trace_id: TraceId = value.trace_id.encode(&mut [0; 32]).parse().unwrap();
            let span_id: SpanId = value.span_id.encode(&mut [0; 16]).parse().unwrap();
            assert_eq!((trace_id, span_id), (value.trace_id, value.span_id));
            let traceparent = Traceparent::new(TraceId::random(), SpanId::random(), true);
            let mut buffer = [0; Traceparent::LEN];
            let text = traceparent.encode(&mut buffer);
            assert_eq!(Traceparent::parse(text.as_bytes()), Ok(traceparent));
        }),
        0
    );
}

#[test]
fn continuing_a_trace_allocates_at_most_twice() {
    let propagator = Propagator::builder().org_id(1).traces_sample_rate(0.5).build().unwrap();
    for baggage in [BAGGAGE.to_owned(), BAGGAGE.replace(',', ", ")] {
        let headers = headers(&baggage);
        drop(propagator.continue_trace(&headers));
        let mut context = None;
        let count = allocations(|| context = Some(propagator.continue_trace(&headers)));
        assert!(context.is_some_and(|context| context.is_continued()));
        assert!(count <= 2, "{count}");
    }
}

#[test]
fn injecting_a_frozen_dsc_allocates_at_most_twice() {
    let propagator = Propagator::builder().traces_sample_rate(0.5).build().unwrap();
    let contexts = [propagator.continue_trace(&headers(BAGGAGE)), propagator.start_new_trace()];
    for context in contexts {
        assert!(!context.dsc().is_empty());
        let mut outgoing = HeaderMap::with_capacity(8);
        let count = allocations(|| context.inject_to("https://api.example.com/", &mut outgoing));
        assert_eq!(outgoing.len(), 2);
        // Each header value is a copy.
        assert!(count <= 2, "{count}");
    }
}

#[test]
fn clones_allocate_nothing() {
    let context = Propagator::builder().build().unwrap().continue_trace(&headers(BAGGAGE));
    let mut copy = None;
    assert_eq!(allocations(|| copy = Some((context.clone(), context.child()))), 0);
    assert!(copy.is_some());
}
