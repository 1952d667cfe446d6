//! The events that core logs: why a trace was not continued or a DSC not used, that a sampler panicked, that the URLs
//! of a client have no host, and that caches may show a page with a trace again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![cfg(feature = "tracing")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracehop::{PropagationContext, Propagator, SamplingContext};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the text of every event.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Subscriber for Events {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);

        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                write!(self.0, " {field}={value:?}").unwrap();
            }
        }

        let metadata = event.metadata();
        let mut text = Text(format!("{} {}", metadata.level(), metadata.target()));
        event.record(&mut text);
        // A subscriber may ask the current trace for its decision. A trace whose decision is being made must not be
        // current.
        if PropagationContext::current().is_some() {
            text.0.push_str(" in a trace");
        }
        self.0.lock().unwrap().push(text.0);
    }
}

#[test]
fn only_malformed_traces_give_a_debug_event() {
    let events = Events::default();
    let propagator = Propagator::builder().build().unwrap();
    let trace_id = tracing::subscriber::with_default(events.clone(), || {
        let started = propagator.continue_trace(&[("sentry-trace", "1")]);
        let _ = propagator.continue_trace(&[("other", "1")]);
        let _ = propagator.start_new_trace();
        started.trace_id()
    });
    assert_eq!(
        *events.0.lock().unwrap(),
        [format!(
            "DEBUG tracehop::propagator message=incoming trace not continued \
             reason=a sentry-trace value has 49 to 51 characters, 1 were found trace_id={trace_id}"
        )]
    );
}

#[test]
fn dscs_of_other_traces_give_a_debug_event() {
    let events = Events::default();
    let propagator = Propagator::builder().build().unwrap();
    tracing::subscriber::with_default(events.clone(), || {
        let _ = propagator.continue_trace(&[
            ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1"),
            ("baggage", "sentry-trace_id=0af7651916cd43dd8448eb211c80319c"),
        ]);
    });
    assert_eq!(
        *events.0.lock().unwrap(),
        ["DEBUG tracehop::propagator message=incoming dynamic sampling context not used \
          reason=its trace_id is 0af7651916cd43dd8448eb211c80319c, and the trace is \
          771a43a4192642f0b136d5159a501700 trace_id=771a43a4192642f0b136d5159a501700"]
    );
}

#[test]
fn received_values_cannot_break_log_lines() {
    let good = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
    let propagator = Propagator::builder().org_id(1).continue_traceparent(true).build().unwrap();
    let hostile = (0..=255_u8).map(|byte| vec![b'x', byte, b'\n', b'y']).chain([
        b"1\r\n2026-01-01T00:00:00Z ERROR all is lost".to_vec(),
        b"\x1b[2J\x1b[31mred\x07".to_vec(),
        "\u{202e}\u{2028}\u{85}\u{feff}".as_bytes().to_vec(),
    ]);
    for bytes in hostile {
        let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let organisations = [
            ["sentry-org_id=".as_bytes(), &bytes].concat(),
            format!("sentry-org_id={encoded}").into(),
        ];
        let in_place = [&good.as_bytes()[..20], &bytes, &good.as_bytes()[24..]].concat();
        let cases: [Vec<(&str, &[u8])>; 5] = [
            vec![("sentry-trace", &bytes)],
            vec![("sentry-trace", &in_place)],
            vec![("traceparent", &in_place)],
            vec![("sentry-trace", good.as_bytes()), ("baggage", &organisations[0])],
            vec![("sentry-trace", good.as_bytes()), ("baggage", &organisations[1])],
        ];
        for case in cases {
            let events = Events::default();
            let context = tracing::subscriber::with_default(events.clone(), || {
                propagator.continue_trace(&case)
            });
            let mut texts = events.0.lock().unwrap().clone();
            assert!(texts.len() <= 1, "{texts:?}");
            texts.extend(context.not_continued().map(|reason| format!("{reason} {reason:?}")));
            for text in texts {
                let breaks_lines = |character: char| {
                    character.is_control() || "\u{202e}\u{2028}\u{feff}".contains(character)
                };
                assert!(!text.contains(breaks_lines), "{text:?}");
            }
        }
    }
}

#[test]
fn panics_of_samplers_are_logged_outside_the_trace() {
    let sampler = |_: &SamplingContext<'_>| panic!("on purpose");
    let context = Propagator::builder().traces_sampler(sampler).build().unwrap().start_new_trace();
    let events = Events::default();
    let sampled = tracing::subscriber::with_default(events.clone(), || {
        context.in_scope(|| context.sampled())
    });
    assert_eq!(sampled, None);
    assert_eq!(
        *events.0.lock().unwrap(),
        [format!(
            "ERROR tracehop::context::trace message=traces_sampler panicked: the trace is decided on without it \
             trace_id={}",
            context.trace_id()
        )]
    );
}

#[cfg(feature = "http")]
#[test]
fn targets_warn_once_of_urls_without_a_host() {
    use tracehop::Target;
    use tracehop::hop::ClientHop;

    let targets = || Propagator::builder().trace_propagation_targets([Target::host("a.example")]);
    let dsn = "https://49d0f7386ad645858ae85020e393bef3@o7.ingest.sentry.io/1";
    for (builder, urls, warnings) in [
        (targets(), &["/stock", "/price"][..], 1),
        (targets(), &["https://a.example/stock", "https://b.example/stock"], 0),
        (Propagator::builder(), &["/stock"], 0),
        (Propagator::builder().dsn(dsn), &["/stock", "https://o7.ingest.sentry.io/"], 0),
    ] {
        let (events, propagator) = (Events::default(), builder.build().unwrap());
        tracing::subscriber::with_default(events.clone(), || {
            for url in urls {
                let request = http::Request::get(*url).body(()).unwrap();
                let new = || propagator.start_new_trace();
                let hop = ClientHop::start(&propagator, None, new, &request);
                let _ = hop.propagates_to(&request);
                hop.finish(200);
            }
        });
        let events = events.0.lock().unwrap();
        let is_ours = |event: &&String| event.starts_with("WARN") && event.contains("has no host");
        assert_eq!(events.iter().filter(is_ours).count(), warnings, "{urls:?}: {events:#?}");
    }
}

#[cfg(feature = "http")]
#[test]
fn pages_that_caches_keep_warn_once_for_each_route() {
    use http::{HeaderMap, HeaderValue, header};
    use tracehop::hop::{HttpRequest, ServerHop, trace_data_for_page};

    let kept =
        HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"))]);
    let (head, ()) = http::Request::get("/").body(()).unwrap().into_parts();
    let first = HttpRequest::new(&head, |_| Some("/first"));
    let second = HttpRequest::new(&head, |_| Some("/second"));
    for (has_tags, headers, requests, warnings) in [
        (true, kept.clone(), &[first, first, second][..], 2),
        (true, HeaderMap::new(), &[first], 0),
        (false, kept, &[first], 0),
    ] {
        for server_timing in [false, true] {
            let (events, propagator) = (Events::default(), Propagator::builder().build().unwrap());
            tracing::subscriber::with_default(events.clone(), || {
                for request in requests {
                    let mut hop = ServerHop::start(&propagator, None, &head.headers, request);
                    if has_tags {
                        let _ = trace_data_for_page(hop.context());
                    }
                    let value = hop.respond(200, &headers, Some(request), server_timing);
                    assert_eq!(value, None);
                    hop.finish();
                }
            });
            let events = events.0.lock().unwrap();
            let is_ours = |event: &&String| event.contains("caches may show this page again");
            assert_eq!(events.iter().filter(is_ours).count(), warnings, "{events:#?}");
        }
    }
}
