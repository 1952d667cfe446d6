use std::hint::black_box;

use askama::Template;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator as _};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use sentry_core::TracePropagationContext;
use serde::Serialize;
use tracehop::wire::{SentryTrace, Traceparent};
use tracehop::{PropagationContext, Propagator};
use tracehop_askama::filters;
use tracing::dispatcher::with_default;

use crate::axum::{Apps, answer};
use crate::fixture::{Fixture, SENTRY_TRACE, TRACEPARENT, with_baggage};

/// The same work done by this library and by a peer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Row {
    /// The name in reports.
    pub id: &'static str,
    /// The work.
    pub what: &'static str,
    /// The name of the peer.
    pub peer: &'static str,
    /// How many times faster than the peer this library must be; less than 1 if it may be slower.
    pub at_least: f64,
    /// The work of this library.
    #[serde(skip)]
    pub ours: fn(&mut Fixture),
    /// The work of the peer.
    #[serde(skip)]
    pub theirs: fn(&mut Fixture),
}

/// All rows.
pub const ROWS: &[Row] = &[
    Row {
        id: "read-sentry-trace",
        what: "read sentry-trace",
        peer: "sentry-core",
        at_least: 2.3,
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
        id: "hop-sentry",
        what: "continue a trace and inject it once",
        peer: "sentry-core, sentry-trace alone",
        at_least: 2.5,
        ours: tidy_hop,
        theirs: |fixture| {
            if let Some(context) = continue_by_sentry(&fixture.incoming) {
                inject_by_sentry(&context, &mut fixture.outgoing);
            }
        },
    },
    Row {
        id: "hop-opentelemetry",
        what: "continue a trace and inject it once",
        peer: "opentelemetry_sdk, TraceContext and Baggage",
        at_least: 10.0,
        ours: tidy_hop,
        theirs: |fixture| {
            let context = continue_by_opentelemetry(&fixture.opentelemetry, &fixture.incoming);
            inject_by_opentelemetry(&fixture.opentelemetry, &context, &mut fixture.outgoing);
        },
    },
    Row {
        id: "hop-with-blanks",
        what: "the same with `, ` between the members",
        peer: "tracehop, without the blanks",
        at_least: 1.0 / 1.3,
        ours: |fixture| hop(&fixture.propagator, &fixture.with_blanks, &mut fixture.outgoing),
        theirs: tidy_hop,
    },
    Row {
        id: "hop-with-encoded-values",
        what: "the same with `%C3%A9` in two values",
        peer: "tracehop, with `e` instead",
        at_least: 1.0 / 1.3,
        ours: |fixture| hop(&fixture.propagator, &fixture.with_encoded, &mut fixture.outgoing),
        theirs: tidy_hop,
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
        id: "actix-middleware",
        what: "a request through actix-web with the middleware",
        peer: "actix-web without it",
        at_least: 1.0 / 3.0,
        ours: |fixture| {
            black_box((fixture.actix.traced)(&fixture.incoming));
        },
        theirs: |fixture| {
            black_box((fixture.actix.plain)(&fixture.incoming));
        },
    },
    Row {
        id: "axum-layer",
        what: "a request through axum with the layer",
        peer: "axum without it",
        at_least: 1.0 / 3.0,
        ours: |fixture| {
            black_box(answer(&mut fixture.apps.traced, &fixture.incoming));
        },
        theirs: |fixture| {
            black_box(answer(&mut fixture.apps.plain, &fixture.incoming));
        },
    },
    Row {
        id: "axum-opentelemetry",
        what: "a request through axum with the layer",
        peer: "axum-tracing-opentelemetry, with spans that are not exported",
        at_least: 1.5,
        ours: |fixture| {
            black_box(answer(&mut fixture.apps.traced, &fixture.incoming));
        },
        theirs: |fixture| {
            let Apps { opentelemetry, spans, .. } = &mut fixture.apps;
            with_default(spans, || black_box(answer(opentelemetry, &fixture.incoming)));
        },
    },
    Row {
        id: "axum-sentry-tower",
        what: "a request through axum with the layer and the recorder of Sentry's SDK",
        peer: "sentry-tower with a transaction",
        at_least: 1.0 / 2.0,
        ours: |fixture| {
            black_box(answer(&mut fixture.apps.recorded, &fixture.incoming));
        },
        theirs: |fixture| {
            black_box(answer(&mut fixture.apps.sentry, &fixture.incoming));
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

fn tidy_hop(fixture: &mut Fixture) {
    hop(&fixture.propagator, &fixture.incoming, &mut fixture.outgoing);
}

/// Continues the trace of a request, and injects it into another request.
fn hop(propagator: &Propagator, incoming: &HeaderMap, outgoing: &mut HeaderMap) {
    outgoing.clear();
    propagator.continue_trace(incoming).inject_to("https://api.example.com/users/7", outgoing);
    black_box(outgoing);
}

fn continue_by_sentry(incoming: &HeaderMap) -> Option<TracePropagationContext> {
    let headers =
        incoming.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    TracePropagationContext::try_from_headers(headers).ok()
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

/// A hop with a baggage of unusual size.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// The name in reports.
    pub id: &'static str,
    /// Makes the baggage.
    pub baggage: fn() -> String,
}

/// All sizes. The time of a hop may grow with the size only up to the 8 KiB that are read.
pub const SIZES: &[Size] = &[
    Size { id: "64-members", baggage: || members(64, 1) },
    Size { id: "8-kib", baggage: || members(64, EIGHTH_OF_KIB) },
    Size { id: "8-kib-of-equal-names", baggage: || "sentry-z=,".repeat(819) },
    // The first 8 KiB are those above.
    Size { id: "1-mib", baggage: || members(1 << 13, EIGHTH_OF_KIB) },
];

/// The length of the value in a member of an eighth of a KiB.
const EIGHTH_OF_KIB: usize = 128 - "sentry-k00=,".len();

fn members(count: usize, value: usize) -> String {
    let value = "v".repeat(value);
    (0..count).map(|n| format!("sentry-k{n}={value},")).collect()
}

/// A hop with another baggage than that of the rows.
#[derive(Debug)]
pub struct SizedHop {
    propagator: Propagator,
    incoming: HeaderMap,
    outgoing: HeaderMap,
}

impl SizedHop {
    /// Makes the headers of the request.
    pub fn new(size: Size) -> Self {
        let Fixture { propagator, incoming, outgoing, .. } = Fixture::default();
        Self { propagator, incoming: with_baggage(&incoming, (size.baggage)()), outgoing }
    }

    /// Continues the trace and injects it once.
    pub fn run(&mut self) {
        hop(&self.propagator, &self.incoming, &mut self.outgoing);
    }
}

#[cfg(test)]
mod tests {
    use tracehop::wire::Baggage;

    use super::*;
    use crate::fixture::BAGGAGE;

    fn baggage_after(side: fn(&mut Fixture), fixture: &mut Fixture) -> String {
        side(fixture);
        let baggage = fixture.outgoing.get("baggage").unwrap();
        baggage.to_str().unwrap().to_owned()
    }

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

        for row in ROWS.iter().filter(|row| row.id.starts_with("hop-")) {
            for side in [row.ours, row.theirs] {
                side(&mut fixture);
                let sentry_trace = fixture.outgoing.get("sentry-trace");
                let sent = sentry_trace.or(fixture.outgoing.get("traceparent")).unwrap();
                let (trace_id, _) = SENTRY_TRACE.split_once('-').unwrap();
                assert!(sent.to_str().unwrap().contains(trace_id), "{}", row.id);
            }
        }
    }

    #[test]
    fn all_services_answer() {
        let Fixture { mut actix, mut apps, incoming, .. } = Fixture::default();
        assert_eq!([(actix.plain)(&incoming), (actix.traced)(&incoming)], [200; 2]);
        for app in [
            &mut apps.plain,
            &mut apps.traced,
            &mut apps.recorded,
            &mut apps.sentry,
            &mut apps.opentelemetry,
        ] {
            assert_eq!(answer(app, &incoming), 200);
        }
    }

    #[test]
    fn untidy_hops_send_the_tidy_baggage() {
        let mut fixture = Fixture::default();
        let row = |id| ROWS.iter().find(|row| row.id == id).unwrap();
        let blanks = row("hop-with-blanks");
        let (_, tidy) = BAGGAGE.split_once(',').unwrap();
        assert_eq!(baggage_after(blanks.theirs, &mut fixture), tidy);
        assert_eq!(baggage_after(blanks.ours, &mut fixture), tidy);
        let encoded = baggage_after(row("hop-with-encoded-values").ours, &mut fixture);
        assert_eq!(encoded.matches("%C3%A9").count(), 2);
        assert_eq!(encoded.replace("%C3%A9", "e"), tidy);
    }

    #[test]
    fn only_8_kib_of_the_longest_baggage_count() {
        let baggage = |id| SIZES.iter().find(|size| size.id == id).map(|size| (size.baggage)());
        let (short, long) = (baggage("8-kib").unwrap(), baggage("1-mib").unwrap());
        assert!(long.len() > 1 << 20, "{}", long.len());
        assert_eq!(Baggage::from_header(&long), Baggage::from_header(&short));
        assert_eq!(Baggage::from_header(&short).len(), Baggage::MAX_MEMBERS);
    }

    #[test]
    fn hops_of_every_size_send_baggage() {
        for size in SIZES {
            let mut hop = SizedHop::new(*size);
            hop.run();
            let sent = hop.outgoing.get("baggage").unwrap();
            let read = Baggage::from_header((size.baggage)());
            assert!(sent.len() <= read.as_str().len(), "{}", size.id);
        }
    }

    #[test]
    fn ids_are_unique() {
        let ids: std::collections::BTreeSet<_> = ROWS.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), ROWS.len());
    }
}
