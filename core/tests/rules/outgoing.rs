use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracehop::{Propagator, Target};

use crate::{TRACE_ID, headers, incoming, outgoing, value};

fn propagator() -> Propagator {
    Propagator::builder().build().unwrap()
}

#[test]
fn the_applications_own_baggage_is_kept_first() {
    let context = propagator().continue_trace(&incoming("-1", "sentry-sample_rand=0.5,foreign=1"));
    let mut request = headers([("baggage", "mine = 1;p, sentry-release=old"), ("baggage", "b=2")]);
    context.inject("https://api.example.com/", &mut request);
    assert_eq!(value(&request, "baggage"), Some("mine = 1;p,b=2,sentry-sample_rand=0.5"));
    assert_eq!(request.len(), 2);
}

#[test]
fn the_applications_own_baggage_is_untouched_if_there_is_nothing_to_add() {
    let context = propagator().continue_trace(&incoming("-1", ""));
    let mut request = headers([("baggage", "mine=1,sentry-release=mine"), ("baggage", "b=2")]);
    context.inject("https://api.example.com/", &mut request);
    assert_eq!(
        request[..2],
        headers([("baggage", "mine=1,sentry-release=mine"), ("baggage", "b=2")])
    );
}

#[test]
fn a_trace_that_the_application_set_by_hand_is_left_alone_with_its_baggage() {
    let context =
        Propagator::builder().propagate_traceparent(true).build().unwrap().start_new_trace();
    let by_hand = headers([("Sentry-Trace", "whatever"), ("baggage", "sentry-release=mine")]);
    let mut request = by_hand.clone();
    context.inject("https://api.example.com/", &mut request);
    assert_eq!(request, by_hand);
}

#[test]
fn injecting_twice_is_injecting_once() {
    let context = propagator().start_new_trace();
    let once = outgoing(&context);
    let mut twice = once.clone();
    context.child().inject("https://api.example.com/", &mut twice);
    assert_eq!(twice, once);
}

#[test]
fn requests_to_others_get_nothing() {
    let targets = |targets: Vec<Target>| {
        let builder = Propagator::builder().propagate_traceparent(true);
        builder.trace_propagation_targets(targets).build().unwrap()
    };
    for (propagator, sent) in [
        (targets(vec![]), 0),
        (targets(vec![Target::host("other.example.com")]), 0),
        (targets(vec![Target::host("other.example.com"), Target::contains("/stock")]), 3),
    ] {
        assert_eq!(outgoing(&propagator.start_new_trace()).len(), sent);
    }
}

#[cfg(feature = "http")]
#[test]
fn every_carrier_of_headers_keeps_the_applications_own() {
    let context = propagator().continue_trace(&incoming("-1", "sentry-sample_rand=0.5"));
    let mut map = http::HeaderMap::new();
    map.append("baggage", http::HeaderValue::from_bytes("mine=é".as_bytes()).unwrap());
    map.append("baggage", http::HeaderValue::from_static("b=2"));
    context.inject("https://api.example.com/", &mut map);
    let lines: Vec<_> = map.get_all("baggage").iter().map(http::HeaderValue::as_bytes).collect();
    assert_eq!(lines, ["mine=é,b=2,sentry-sample_rand=0.5".as_bytes()]);
    assert_eq!(map["sentry-trace"], context.trace_data().sentry_trace());
}

#[test]
fn a_client_with_a_propagator_of_its_own_keeps_to_its_targets() {
    let with = |targets: Vec<Target>| {
        Propagator::builder().trace_propagation_targets(targets).build().unwrap()
    };
    let (api, stock) = (Target::host("api.example.com"), Target::contains("/stock"));
    let ours = with(vec![api.clone()]);
    assert!(ours.clone().is_propagator_of(&ours.start_new_trace().child()));
    for (client, sent) in [(ours.clone(), 2), (with(vec![stock]), 2), (with(vec![]), 0)] {
        let context = ours.start_new_trace();
        let mut request = Vec::<(String, String)>::new();
        client.inject(&context, "https://api.example.com/stock", &mut request);
        assert_eq!(request.len(), sent);
        assert!(!client.propagates_everywhere(&context));
        assert!(!propagator().propagates_everywhere(&context));
        assert!(!client.propagates_everywhere(&propagator().start_new_trace()));
    }
    assert!(propagator().propagates_everywhere(&propagator().start_new_trace()));
    let mut request = Vec::<(String, String)>::new();
    let nowhere = with(vec![]).start_new_trace();
    ours.inject(&nowhere, "https://api.example.com/stock", &mut request);
    assert_eq!(request.len(), 0);
}

#[test]
fn what_has_no_url_has_no_target() {
    let builder =
        Propagator::builder().trace_propagation_targets([Target::host("api.example.com")]);
    let mut message = Vec::<(String, String)>::new();
    builder.build().unwrap().start_new_trace().inject_always(&mut message);
    assert_eq!(message.len(), 2);
}

#[test]
fn the_sampler_is_told_what_is_known_and_asked_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let propagator = Propagator::builder()
        .traces_sampler(move |context| {
            counter.fetch_add(1, Ordering::Relaxed);
            assert_eq!(context.name(), Some("GET /"));
            assert_eq!(context.parent_sampled(), Some(true));
            assert_eq!(context.parent_sample_rate().map(|rate| rate.get()), Some(0.25));
            0.0
        })
        .build()
        .unwrap();
    let context = propagator.continue_trace(&incoming("-1", "sentry-sample_rate=0.25"));
    context.set_transaction("GET /");
    assert_eq!(context.sample_rate().map(|rate| rate.get()), Some(0.0));
    assert_eq!(context.child().sampled(), Some(false));
    assert_eq!(context.sampled(), Some(false));
    assert!(value(&outgoing(&context), "sentry-trace").unwrap().ends_with("-0"));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn trace_data_has_what_headers_have() {
    let builder = Propagator::builder().propagate_traceparent(true);
    let context =
        builder.build().unwrap().continue_trace(&incoming("-1", "sentry-sample_rand=0.5"));
    let pairs: Vec<(String, String)> =
        context.trace_data().iter().map(|(name, value)| (name.into(), value.into())).collect();
    assert_eq!(pairs, outgoing(&context));
    assert_eq!(
        context.trace_data().server_timing(),
        format!(
            "sentry-trace;desc=\"{TRACE_ID}-{}-1\", baggage;desc=\"sentry-sample_rand=0.5\"",
            context.span_id()
        )
    );
    let bare = propagator().continue_trace(&incoming("", ""));
    assert_eq!(
        bare.trace_data().server_timing(),
        format!("sentry-trace;desc=\"{TRACE_ID}-{}\"", bare.span_id())
    );
}
