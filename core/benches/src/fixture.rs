use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use sentry_core::TracePropagationContext;
use tracehop::wire::SentryTrace;
use tracehop::{PropagationContext, Propagator, PropagatorBuilder};

use crate::actix;
use crate::axum::Apps;

pub(crate) const SENTRY_TRACE: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
pub(crate) const TRACEPARENT: &str = "00-771a43a4192642f0b136d5159a501700-b72fa28504b07285-01";

/// A member of another vendor and nine of Sentry's, 420 bytes.
pub(crate) const BAGGAGE: &str = "userId=alice%40example.com,\
    sentry-trace_id=771a43a4192642f0b136d5159a501700,\
    sentry-public_key=49d0f7386ad645858ae85020e393bef3,\
    sentry-sample_rand=0.123456,\
    sentry-sample_rate=0.25,\
    sentry-sampled=true,\
    sentry-org_id=1234567,\
    sentry-release=storefront%401.4.0%2B7c3f1e5d9a8b2c4d6e0f1a3b5c7d9e1f2a,\
    sentry-environment=production-eu-central-1,\
    sentry-transaction=GET%20%2Fapi%2F0%2Forganizations%2F%7Borganization_slug%7D%2Fusers";

/// [`BAGGAGE`] with `%C3%A9` in place of an `e` in the environment and in the transaction.
const BAGGAGE_WITH_ENCODED_VALUES: &str = "userId=alice%40example.com,\
    sentry-trace_id=771a43a4192642f0b136d5159a501700,\
    sentry-public_key=49d0f7386ad645858ae85020e393bef3,\
    sentry-sample_rand=0.123456,\
    sentry-sample_rate=0.25,\
    sentry-sampled=true,\
    sentry-org_id=1234567,\
    sentry-release=storefront%401.4.0%2B7c3f1e5d9a8b2c4d6e0f1a3b5c7d9e1f2a,\
    sentry-environment=production-%C3%A9u-central-1,\
    sentry-transaction=GET%20%2Fapi%2F0%2Forganizations%2F%7Borganization_slug%7D%2Fus%C3%A9rs";

/// The headers of the request that is continued.
pub const REQUEST_HEADERS: &[(&str, &str)] = &[
    ("host", "api.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
    ("accept", "application/json"),
    ("sentry-trace", SENTRY_TRACE),
    ("traceparent", TRACEPARENT),
    ("baggage", BAGGAGE),
];

/// The propagator of a service with common options.
///
/// # Panics
///
/// Never: the options are constants, and tested.
#[expect(clippy::expect_used, reason = "constants")]
pub fn propagator() -> Propagator {
    builder().build().expect("options")
}

pub(crate) fn builder() -> PropagatorBuilder {
    Propagator::builder()
        .dsn("https://49d0f7386ad645858ae85020e393bef3@o1234567.ingest.sentry.io/42")
        .release("storefront@1.4.0")
        .traces_sample_rate(0.25)
}

/// The input of all rows, and what a service makes once at start-up.
#[derive(Debug)]
pub struct Fixture {
    /// Six request headers, among them `sentry-trace`, `traceparent` and `baggage`.
    pub(crate) incoming: HeaderMap,
    /// The same headers, with `", "` between the members of the baggage.
    pub(crate) with_blanks: HeaderMap,
    /// The same headers, with `%C3%A9` in place of an `e` in two values of the baggage.
    pub(crate) with_encoded: HeaderMap,
    /// The headers of an outgoing request, emptied for each.
    pub(crate) outgoing: HeaderMap,
    pub(crate) propagator: Propagator,
    /// A continued trace whose dynamic sampling context is frozen.
    pub(crate) context: PropagationContext,
    pub(crate) sentry_trace: SentryTrace,
    pub(crate) sentry: TracePropagationContext,
    pub(crate) opentelemetry: TextMapCompositePropagator,
    pub(crate) fastrace: fastrace::collector::SpanContext,
    /// The values of both tags, as strings.
    pub(crate) tags: (String, String),
    /// Services with actix-web.
    pub(crate) actix: actix::Apps,
    /// Services with axum.
    pub(crate) apps: Apps,
    /// The buffer that a page is rendered into.
    pub(crate) page: String,
}

impl Default for Fixture {
    #[expect(clippy::expect_used, reason = "constants")]
    fn default() -> Self {
        let mut incoming = HeaderMap::new();
        for (name, value) in REQUEST_HEADERS {
            let value = HeaderValue::from_static(value);
            incoming.insert(HeaderName::from_static(name), value);
        }
        let propagator = propagator();
        let context = propagator.continue_trace(&incoming);
        let tags =
            (context.trace_data().sentry_trace().to_owned(), context.dsc().as_str().to_owned());
        let opentelemetry = TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(BaggagePropagator::new()),
        ]);
        Self {
            with_blanks: with_baggage(&incoming, BAGGAGE.replace(',', ", ")),
            with_encoded: with_baggage(&incoming, BAGGAGE_WITH_ENCODED_VALUES),
            outgoing: HeaderMap::with_capacity(8),
            context,
            sentry_trace: SENTRY_TRACE.parse().expect("a sentry-trace"),
            sentry: TracePropagationContext::try_from_headers([("sentry-trace", SENTRY_TRACE)])
                .expect("a sentry-trace"),
            opentelemetry,
            fastrace: fastrace::collector::SpanContext::decode_w3c_traceparent(TRACEPARENT)
                .expect("a traceparent"),
            tags,
            actix: actix::Apps::default(),
            apps: Apps::default(),
            page: String::with_capacity(4096),
            incoming,
            propagator,
        }
    }
}

/// Returns headers with another baggage.
///
/// # Panics
///
/// Never: all lists here are header values.
#[expect(clippy::expect_used, reason = "constants")]
pub(crate) fn with_baggage(headers: &HeaderMap, baggage: impl AsRef<str>) -> HeaderMap {
    let mut headers = headers.clone();
    let value = HeaderValue::from_str(baggage.as_ref()).expect("a header value");
    headers.insert(HeaderName::from_static("baggage"), value);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_has_the_documented_size() {
        assert_eq!(BAGGAGE.len(), 420);
        assert_eq!(BAGGAGE.split(',').count(), 10);
        let fixture = Fixture::default();
        assert_eq!(fixture.incoming.len(), 6);
        assert_eq!(fixture.context.dsc().iter().count(), 9);
        let (_, ours) = BAGGAGE.split_once(',').unwrap();
        assert_eq!(fixture.context.dsc().as_str(), ours);
    }
}
