use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracehop::hop::{ClientHop, TraceChoice};
use tracehop::{Propagator, RequestUrl, Target};

use crate::{Call, Headers, TRACE_ID, URL, headers, incoming, outgoing, value};

fn propagator() -> Propagator {
    Propagator::builder().build().unwrap()
}

#[test]
fn application_baggage_stays_first() {
    let context = propagator().continue_trace(&incoming("-1", "sentry-sample_rand=0.5,foreign=1"));
    let mut request = headers([("baggage", "mine = 1;p, sentry-release=old"), ("baggage", "b=2")]);
    context.inject_to("https://api.example.com/", &mut request);
    assert_eq!(value(&request, "baggage"), Some("mine = 1;p,b=2,sentry-sample_rand=0.5"));
    assert_eq!(request.len(), 2);
}

#[test]
fn application_baggage_stays_if_no_dsc_is_sent() {
    let context = propagator().continue_trace(&incoming("-1", ""));
    let mut request = headers([("baggage", "mine=1,sentry-release=mine"), ("baggage", "b=2")]);
    context.inject_to("https://api.example.com/", &mut request);
    assert_eq!(
        request[..2],
        headers([("baggage", "mine=1,sentry-release=mine"), ("baggage", "b=2")])
    );
}

#[test]
fn sentry_trace_set_by_hand_keeps_its_baggage() {
    let context =
        Propagator::builder().propagate_traceparent(true).build().unwrap().start_new_trace();
    let by_hand = headers([("Sentry-Trace", "whatever"), ("baggage", "sentry-release=mine")]);
    let mut request = by_hand.clone();
    context.inject_to("https://api.example.com/", &mut request);
    assert_eq!(request, by_hand);
}

#[test]
fn second_injection_changes_nothing() {
    let context = propagator().start_new_trace();
    let once = outgoing(&context);
    let mut twice = once.clone();
    context.child().inject_to("https://api.example.com/", &mut twice);
    assert_eq!(twice, once);
}

#[test]
fn requests_off_the_targets_get_no_headers() {
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

#[test]
fn every_type_of_url_is_matched_alike() {
    fn assert_sent<U: RequestUrl + ?Sized>(propagator: &Propagator, url: &U, is_sent: bool) {
        let context = propagator.start_new_trace();
        let mut request = Headers::new();
        context.inject_to(url, &mut request);
        assert_eq!(request.is_empty(), !is_sent, "{}", url.as_url());
        assert_eq!(context.propagates_to(url), is_sent, "{}", url.as_url());
    }

    let stock = Target::origin("https://api.example.com:8443");
    let propagator = Propagator::builder().trace_propagation_targets([stock]).build().unwrap();
    for (text, is_sent) in [
        ("https://api.example.com:8443/stock?q=1", true),
        ("https://API.example.com:8443", true),
        ("https://user:hush@api.example.com:8443/", true),
        ("https://api.example.com/stock", false),
        ("http://api.example.com:8443/stock", false),
        ("https://evil.example/?https://api.example.com:8443/", false),
        // The URL must be absolute.
        ("/stock", false),
    ] {
        assert_sent(&propagator, text, is_sent);
        assert_sent(&propagator, &text, is_sent);
        assert_sent(&propagator, &text.to_owned(), is_sent);
        #[cfg(feature = "http")]
        assert_sent(&propagator, &text.parse::<http::Uri>().unwrap(), is_sent);
        #[cfg(feature = "url")]
        if let Ok(url) = text.parse::<url::Url>() {
            assert_sent(&propagator, &url, is_sent);
        }
        // Without targets the trace is sent with every request.
        assert_sent(&Propagator::builder().build().unwrap(), text, true);
    }
}

#[test]
fn inject_ignores_the_targets() {
    let builder =
        Propagator::builder().trace_propagation_targets([Target::host("api.example.com")]);
    let mut message = Vec::<(String, String)>::new();
    builder.build().unwrap().start_new_trace().inject(&mut message);
    assert_eq!(message.len(), 2);
}

#[test]
fn sampler_sees_the_trace_and_runs_once() {
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
fn trace_data_equals_the_injected_headers() {
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

#[test]
fn empty_values_in_a_carrier_count_as_absent() {
    let propagator = Propagator::builder().propagate_traceparent(true).build().unwrap();
    let context = propagator.start_new_trace();
    for empty in ["", " \t"] {
        let mut request =
            headers([("sentry-trace", empty), ("traceparent", empty), ("baggage", empty)]);
        context.inject(&mut request);
        let data = context.trace_data();
        assert_eq!(value(&request, "sentry-trace"), Some(data.sentry_trace()));
        assert_eq!(value(&request, "traceparent"), data.traceparent());
        assert_eq!(value(&request, "baggage"), Some(context.dsc().as_str()));
    }
}

#[test]
fn traces_are_decided_on_without_a_panicking_sampler() {
    let panicking = || Propagator::builder().traces_sampler(|_| panic!("on purpose"));
    for (builder, decision, sampled) in [
        (panicking(), "-1", Some(true)),
        (panicking().traces_sample_rate(0.0), "-1", Some(true)),
        (panicking().traces_sample_rate(1.0), "-0", Some(false)),
        (panicking().traces_sample_rate(1.0), "", Some(true)),
        (panicking().traces_sample_rate(0.0), "", Some(false)),
        (panicking(), "", None),
    ] {
        let context = builder.build().unwrap().continue_trace(&incoming(decision, ""));
        assert_eq!(context.sampled(), sampled, "{decision}");
        assert_eq!(context.sampled(), sampled, "the decision stays");
    }
}

#[test]
fn clients_respect_targets_exceptions_and_sentry_hosts() {
    let builders = || {
        [
            Propagator::builder().trace_propagation_exceptions([Target::host("no.test")]),
            Propagator::builder().dsn("https://key@no.test/1"),
            Propagator::builder().tunnel("https://no.test/"),
            Propagator::builder().trace_propagation_targets([Target::host("api.example.com")]),
        ]
    };
    let anywhere = propagator();
    for restricted in builders().map(|builder| builder.build().unwrap()) {
        for (client, context) in [
            (&restricted, restricted.start_new_trace()),
            (&anywhere, restricted.start_new_trace()),
            (&restricted, anywhere.start_new_trace()),
        ] {
            let choice = Some(TraceChoice::Given(context));
            let hop = ClientHop::start(client, choice, || unreachable!(), &Call(URL));
            assert!(hop.propagates_to(URL) && !hop.propagates_to("https://no.test./"));
            let carried = hop.carried_trace().unwrap();
            assert!(carried.may_go_to(URL) && !carried.may_go_to("https://no.test./"));
        }
    }
}
