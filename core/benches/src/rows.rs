use std::hint::black_box;

use askama::Template;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator as _};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use sentry_core::TracePropagationContext;
use serde::Serialize;
use tracehop::PropagationContext;
use tracehop::wire::{SentryTrace, Traceparent};
use tracehop_askama::filters;

use crate::fixture::{Fixture, SENTRY_TRACE, TRACEPARENT};

/// The same work done by this library and by a peer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Row {
    /// What the row is known by in reports.
    pub id: &'static str,
    /// What is done.
    pub what: &'static str,
    /// Who else does it.
    pub peer: &'static str,
    /// How many times faster than the peer it must be; less than 1 where it may be slower.
    pub at_least: f64,
    /// This library.
    #[serde(skip)]
    pub ours: fn(&mut Fixture),
    /// The peer.
    #[serde(skip)]
    pub theirs: fn(&mut Fixture),
}

/// All rows.
pub const ROWS: &[Row] = &[
    Row {
        id: "read-sentry-trace",
        what: "read sentry-trace",
        peer: "sentry-core",
        at_least: 7.0,
        ours: |_| {
            let _ = black_box(SentryTrace::parse(black_box(SENTRY_TRACE.as_bytes())));
        },
        theirs: |_| {
            let header = ("sentry-trace", black_box(SENTRY_TRACE));
            let _ = black_box(TracePropagationContext::try_from_headers([header]));
        },
    },
    Row {
        id: "write-sentry-trace",
        what: "write sentry-trace",
        peer: "sentry-core",
        at_least: 7.0,
        ours: |fixture| {
            let mut buffer = [0; SentryTrace::MAX_LEN];
            black_box(black_box(fixture.sentry_trace).encode(&mut buffer));
        },
        theirs: |fixture| drop(black_box(fixture.sentry.sentry_trace_header())),
    },
    Row {
        id: "continue-sentry",
        what: "continue a trace from an http::HeaderMap",
        peer: "sentry-core, of the baggage only the organisation",
        at_least: 3.0,
        ours: continue_trace,
        theirs: |fixture| {
            let _ = black_box(continue_by_sentry(&fixture.incoming));
        },
    },
    Row {
        id: "continue-opentelemetry",
        what: "continue a trace from an http::HeaderMap",
        peer: "opentelemetry_sdk, TraceContext and Baggage",
        at_least: 20.0,
        ours: continue_trace,
        theirs: |fixture| {
            let context = continue_by_opentelemetry(&fixture.opentelemetry, &fixture.incoming);
            drop(black_box(context));
        },
    },
    Row {
        id: "inject-sentry",
        what: "inject into an http::HeaderMap",
        peer: "sentry-core, sentry-trace alone",
        at_least: 3.0,
        ours: |fixture| inject(&fixture.context, &mut fixture.outgoing),
        theirs: |fixture| inject_by_sentry(&fixture.sentry, &mut fixture.outgoing),
    },
    Row {
        id: "inject-opentelemetry",
        what: "inject into an http::HeaderMap",
        peer: "opentelemetry_sdk, TraceContext and Baggage",
        at_least: 12.0,
        ours: |fixture| inject(&fixture.context, &mut fixture.outgoing),
        theirs: |fixture| {
            let context = &fixture.opentelemetry_context;
            inject_by_opentelemetry(&fixture.opentelemetry, context, &mut fixture.outgoing);
        },
    },
    Row {
        id: "continue-and-inject",
        what: "continue a trace and inject it once",
        peer: "opentelemetry_sdk, TraceContext and Baggage",
        at_least: 5.0,
        ours: |fixture| {
            let context = fixture.propagator.continue_trace(&fixture.incoming);
            inject(&context, &mut fixture.outgoing);
        },
        theirs: |fixture| {
            let context = continue_by_opentelemetry(&fixture.opentelemetry, &fixture.incoming);
            inject_by_opentelemetry(&fixture.opentelemetry, &context, &mut fixture.outgoing);
        },
    },
    Row {
        id: "traceparent",
        what: "read and write traceparent",
        peer: "fastrace",
        at_least: 3.0,
        ours: |fixture| {
            let _ = black_box(Traceparent::parse(black_box(TRACEPARENT.as_bytes())));
            let SentryTrace { trace_id, span_id, .. } = black_box(fixture.sentry_trace);
            let mut buffer = [0; Traceparent::LEN];
            black_box(Traceparent::new(trace_id, span_id, true).encode(&mut buffer));
        },
        theirs: |fixture| {
            let text = black_box(TRACEPARENT);
            black_box(fastrace::collector::SpanContext::decode_w3c_traceparent(text));
            drop(black_box(fixture.fastrace.encode_w3c_traceparent()));
        },
    },
    Row {
        id: "meta-tags",
        what: "render both meta tags in an askama template",
        peer: "the same template with the two values as strings",
        at_least: 1.0 / 1.5,
        ours: |fixture| {
            fixture.page.clear();
            let _ = Ours { trace: &fixture.context }.render_into(&mut fixture.page);
            black_box(&fixture.page);
        },
        theirs: |fixture| {
            fixture.page.clear();
            let (sentry_trace, baggage) = &fixture.tags;
            let _ = Theirs { sentry_trace, baggage }.render_into(&mut fixture.page);
            black_box(&fixture.page);
        },
    },
];

fn continue_trace(fixture: &mut Fixture) {
    drop(black_box(fixture.propagator.continue_trace(&fixture.incoming)));
}

fn continue_by_sentry(incoming: &HeaderMap) -> Option<TracePropagationContext> {
    let headers =
        incoming.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    TracePropagationContext::try_from_headers(headers).ok()
}

fn inject(context: &PropagationContext, outgoing: &mut HeaderMap) {
    outgoing.clear();
    context.inject("https://api.example.com/users/7", outgoing);
    black_box(outgoing);
}

fn inject_by_sentry(context: &TracePropagationContext, outgoing: &mut HeaderMap) {
    outgoing.clear();
    if let Ok(value) = HeaderValue::try_from(context.sentry_trace_header()) {
        outgoing.insert(HeaderName::from_static("sentry-trace"), value);
    }
    black_box(outgoing);
}

fn continue_by_opentelemetry(
    propagator: &TextMapCompositePropagator,
    incoming: &HeaderMap,
) -> Context {
    propagator.extract_with_context(&Context::new(), &HeaderExtractor(incoming))
}

fn inject_by_opentelemetry(
    propagator: &TextMapCompositePropagator,
    context: &Context,
    outgoing: &mut HeaderMap,
) {
    outgoing.clear();
    propagator.inject_context(context, &mut HeaderInjector(outgoing));
    black_box(outgoing);
}

#[derive(Template)]
#[template(
    ext = "html",
    source = "<html><head>\n{{ trace|trace_meta }}\n<title>Page</title></head></html>"
)]
struct Ours<'a> {
    trace: &'a PropagationContext,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<html><head>
<meta name="sentry-trace" content="{{ sentry_trace }}">
<meta name="baggage" content="{{ baggage }}">
<title>Page</title></head></html>"#
)]
struct Theirs<'a> {
    sentry_trace: &'a str,
    baggage: &'a str,
}

/// A baggage of unusual size, from which a trace is continued.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// What it is known by in reports.
    pub id: &'static str,
    /// Makes it.
    pub baggage: fn() -> String,
}

/// Work must grow with the size, and end at the 8 KiB that count.
pub const SIZES: &[Size] = &[
    Size { id: "64-members", baggage: || members(64, 1) },
    Size { id: "8-kib", baggage: || members(64, EIGHTH_OF_KIB) },
    Size { id: "8-kib-of-equal-names", baggage: || "sentry-z=,".repeat(819) },
    // The first 8 KiB are those above.
    Size { id: "1-mib", baggage: || members(1 << 13, EIGHTH_OF_KIB) },
];

/// The value of a member of as many bytes.
const EIGHTH_OF_KIB: usize = 128 - "sentry-k00=,".len();

fn members(count: usize, value: usize) -> String {
    let value = "v".repeat(value);
    (0..count).map(|n| format!("sentry-k{n}={value},")).collect()
}

#[cfg(test)]
mod tests {
    use tracehop::wire::Baggage;

    use super::*;

    #[test]
    fn both_sides_of_a_row_do_the_same() {
        let mut fixture = Fixture::default();
        let page = |fixture: &mut Fixture, side: fn(&mut Fixture)| {
            side(fixture);
            fixture.page.clone()
        };
        let row = ROWS.iter().find(|row| row.id == "meta-tags").unwrap();
        let (ours, theirs) = (page(&mut fixture, row.ours), page(&mut fixture, row.theirs));
        assert_eq!(ours, theirs);

        for row in ROWS.iter().filter(|row| row.id.starts_with("inject-")) {
            for side in [row.ours, row.theirs] {
                side(&mut fixture);
                assert!(!fixture.outgoing.is_empty());
            }
        }
    }

    #[test]
    fn what_counts_of_the_longest_baggage_is_the_one_of_8_kib() {
        let baggage = |id| SIZES.iter().find(|size| size.id == id).map(|size| (size.baggage)());
        let (short, long) = (baggage("8-kib").unwrap(), baggage("1-mib").unwrap());
        assert!(long.len() > 1 << 20, "{}", long.len());
        let read = |baggage: &str| Baggage::from_lines([baggage.as_bytes()]);
        assert_eq!(read(&long), read(&short));
        assert_eq!(read(&short).len(), Baggage::MAX_MEMBERS);
    }

    #[test]
    fn ids_are_unique() {
        let ids: std::collections::BTreeSet<_> = ROWS.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), ROWS.len());
    }
}
