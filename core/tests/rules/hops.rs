//! The kit for adapters: targets of client hops, and response headers of server hops.

use tracehop::hop::{
    CarriedTrace, ClientHop, ResponseHeaders, ServerHop, TraceChoice, trace_data_for_page,
};
use tracehop::{PropagationContext, Propagator, Target};

use crate::{Call, Headers, URL, incoming, received, value};

fn with_targets<const N: usize>(targets: [Target; N]) -> Propagator {
    Propagator::builder().trace_propagation_targets(targets).build().unwrap()
}

fn without_targets() -> Propagator {
    Propagator::builder().build().unwrap()
}

fn call(client: &Propagator, context: &PropagationContext) -> ClientHop {
    let choice = Some(TraceChoice::Given(context.clone()));
    ClientHop::start(client, choice, || panic!("a trace was given"), &Call(URL))
}

/// The headers that an adapter sends.
fn sent(hop: &ClientHop) -> Headers {
    let mut request = Headers::new();
    if hop.propagates_to(URL) {
        hop.inject(&mut request);
    }
    request
}

#[test]
fn client_hops_respect_the_targets_of_both_propagators() {
    let (api, stock) = (Target::host("api.example.com"), Target::contains("/stock"));
    let ours = with_targets([api]);
    let context = ours.start_new_trace();
    assert!(ours.clone().is_propagator_of(&context.child()));
    for (client, count) in [
        (ours.clone(), 2),
        (with_targets([stock]), 2),
        (with_targets([]), 0),
        (without_targets(), 2),
    ] {
        assert_eq!(sent(&call(&client, &context)).len(), count, "{client:?}");
        // Redirects must be checked if either propagator has targets.
        assert!(call(&client, &context).carried_trace().is_some(), "{client:?}");
    }
    let everywhere = without_targets();
    assert!(call(&ours, &everywhere.start_new_trace()).carried_trace().is_some());
    assert!(call(&everywhere, &everywhere.start_new_trace()).carried_trace().is_none());
    assert!(call(&everywhere, &without_targets().start_new_trace()).carried_trace().is_none());
    let nowhere = with_targets([]).start_new_trace();
    assert_eq!(sent(&call(&ours, &nowhere)).len(), 0);
}

#[test]
fn carried_traces_may_go_to_targets_only() {
    let ours = with_targets([Target::domain("example.com")]);
    let client = with_targets([Target::host("api.example.com"), Target::host("evil.test")]);
    let carried: CarriedTrace = call(&client, &ours.start_new_trace()).carried_trace().unwrap();
    for (url, may_go) in [
        ("https://api.example.com/", true),
        ("https://stock.example.com/", false),
        ("https://evil.test/", false),
        ("https://other.test/", false),
    ] {
        assert_eq!(carried.may_go_to(url), may_go, "{url}");
        assert_eq!(carried.may_go_to(&url.to_owned()), may_go, "{url}");
    }
}

#[test]
fn client_hops_take_choice_then_current_then_new_trace() {
    let propagator = without_targets();
    let [given, current, new] = [(); 3].map(|()| propagator.start_new_trace());
    let used = |choice: Option<TraceChoice>| {
        let hop = ClientHop::start(&propagator, choice, || new.clone(), &Call(URL));
        sent(&hop)
    };
    let trace = |context: &PropagationContext| context.trace_data().sentry_trace().to_owned();
    let of_given = used(Some(TraceChoice::Given(given.clone())));
    assert_eq!(value(&of_given, "sentry-trace"), Some(&*trace(&given)));
    assert_eq!(value(&used(None), "sentry-trace"), Some(&*trace(&new)));
    current.in_scope(|| {
        let of_given = used(Some(TraceChoice::Given(given.clone())));
        assert_eq!(value(&of_given, "sentry-trace"), Some(&*trace(&given)));
        assert_eq!(value(&used(None), "sentry-trace"), Some(&*trace(&current)));
        assert!(used(Some(TraceChoice::Without)).is_empty());
    });
}

struct Response(&'static [(&'static str, &'static str)]);

impl ResponseHeaders for Response {
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        let lines = self.0.iter().filter(move |(key, _)| *key == name);
        lines.map(|(_, value)| value.as_bytes())
    }
}

#[test]
fn server_timing_is_for_html_that_is_not_reused() {
    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
    let propagator = without_targets();
    let table: &[(&'static [(&'static str, &'static str)], bool)] = &[
        (&[HTML], true),
        (&[("content-type", "TEXT/HTML")], true),
        (&[("content-type", " text/html ")], true),
        (&[], false),
        (&[("content-type", "application/json")], false),
        (&[("content-type", "text/htmlx")], false),
        (&[HTML, ("cache-control", "private")], true),
        (&[HTML, ("cache-control", "private, max-age=60")], false),
        (&[HTML, ("cache-control", "no-store")], true),
        (&[HTML, ("cache-control", "public")], false),
        (&[HTML, ("cache-control", "private"), ("cdn-cache-control", "max-age=60")], false),
        (&[HTML, ("surrogate-control", "max-age=60")], false),
        (&[HTML, ("server-timing", "db;dur=53")], true),
        // The same middleware further in has added it.
        (&[HTML, ("server-timing", "sentry-trace;desc=\"x\"")], false),
    ];
    for (lines, is_added) in table {
        for in_page in [false, true] {
            let request = received("GET", Some("/"));
            let mut hop = ServerHop::start(&propagator, None, &incoming("-1", ""), &request);
            if in_page {
                let _ = trace_data_for_page(hop.context());
            }
            assert_eq!(hop.respond(200, &Response(lines), Some(&request), false), None);
            let added = hop.respond(200, &Response(lines), Some(&request), true);
            let ours = hop.context().trace_data().server_timing();
            assert_eq!(added, is_added.then_some(ours), "{lines:?}");
        }
    }
}

#[cfg(any(feature = "http", feature = "actix-http"))]
#[test]
fn header_maps_are_response_headers() {
    fn assert_lines<H: ResponseHeaders>(headers: &H) {
        assert_eq!(headers.lines("cache-control").collect::<Vec<_>>(), [&b"private"[..], b"\xff"]);
        assert_eq!(headers.lines("content-type").count(), 0);
    }

    #[cfg(feature = "http")]
    {
        use http::{HeaderMap, HeaderValue};
        let mut map = HeaderMap::new();
        map.append("Cache-Control", HeaderValue::from_static("private"));
        map.append("cache-control", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_lines(&map);
    }
    #[cfg(feature = "actix-http")]
    {
        use actix_http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
        let mut map = HeaderMap::new();
        map.append(CACHE_CONTROL, HeaderValue::from_static("private"));
        map.append(CACHE_CONTROL, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_lines(&map);
    }
}
