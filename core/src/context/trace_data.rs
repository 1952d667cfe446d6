//! What is handed on, as values.

use crate::carrier::Field;
use crate::dsc::DynamicSamplingContext;
use crate::wire::{Baggage, SentryTrace, Traceparent, Tracestate};

/// What a [`PropagationContext`](crate::PropagationContext) hands on.
///
/// Every value is printable ASCII and can be a header value. All except the `tracestate` are without
/// `"` and `\`, and can be part of a quoted string. In HTML they must be escaped: the baggage may
/// come from outside and may have `&` and `<`. [`meta_tags`](crate::PropagationContext::meta_tags) escapes them.
///
/// ```
/// let propagator = tracehop::Propagator::builder().environment("staging").build()?;
/// let context = propagator.start_new_trace();
/// let data = context.trace_data();
/// let (trace_id, span_id) = (context.trace_id(), context.span_id());
/// assert_eq!(data.sentry_trace(), format!("{trace_id}-{span_id}"));
/// assert!(data.baggage().is_some_and(|it| it.as_str().contains("sentry-environment=staging")));
/// assert_eq!((data.traceparent(), data.tracestate()), (None, None));
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TraceData<'a> {
    sentry_trace: String,
    dsc: &'a DynamicSamplingContext,
    traceparent: Option<String>,
    tracestate: Option<&'a Tracestate>,
}

impl<'a> TraceData<'a> {
    pub(super) fn new(
        sentry_trace: SentryTrace,
        dsc: &'a DynamicSamplingContext,
        traceparent: Option<Traceparent>,
        tracestate: Option<&'a Tracestate>,
    ) -> Self {
        Self {
            sentry_trace: sentry_trace.to_string(),
            dsc,
            traceparent: traceparent.map(|value| value.to_string()),
            tracestate,
        }
    }

    /// Returns the `sentry-trace` value.
    pub fn sentry_trace(&self) -> &str {
        &self.sentry_trace
    }

    /// Returns the `baggage` list; `None` if the dynamic sampling context is empty, and no `baggage` is sent.
    pub fn baggage(&self) -> Option<&'a Baggage> {
        Some(self.dsc.as_baggage()).filter(|baggage| !baggage.is_empty())
    }

    /// Returns the `traceparent` value; `None` unless
    /// [`propagate_traceparent`](crate::PropagatorBuilder::propagate_traceparent) is on.
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Returns the `tracestate` list that came with a `traceparent` of this trace; `None` also without an outgoing
    /// [`traceparent`](Self::traceparent).
    pub fn tracestate(&self) -> Option<&'a str> {
        self.traceparent.as_ref().and(self.tracestate).map(Tracestate::as_str)
    }

    /// Returns all values with their names as headers and metadata keys.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            (Field::SentryTrace, Some(self.sentry_trace())),
            (Field::Baggage, self.baggage().map(Baggage::as_str)),
            (Field::Traceparent, self.traceparent()),
            (Field::Tracestate, self.tracestate()),
        ]
        .into_iter()
        .filter_map(|(field, value)| Some((field.name(), value?)))
    }

    /// Returns the value of a [`Server-Timing`](https://www.w3.org/TR/server-timing/) response header. The browser
    /// SDK continues the trace of a page without meta tags from it.
    ///
    /// A response that a cache [may reuse](crate::hop::may_be_reused) must not have this header: all its visitors would
    /// share one trace.
    pub fn server_timing(&self) -> String {
        let mut value = ["sentry-trace;desc=\"", self.sentry_trace(), "\""].concat();
        if let Some(baggage) = self.baggage() {
            value.extend([", baggage;desc=\"", baggage.as_str(), "\""]);
        }
        value
    }
}
