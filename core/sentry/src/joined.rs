//! A context that moves to a transaction that another middleware started.

use sentry_core::{Hub, TracesSamplingStrategy, TransactionOrSpan};
use tracehop::{PropagationContext, SampleRate, SpanId, SpanPosition};

use crate::ids::{position_of, span_id};

/// Returns the context at the position of a running span: its trace id, span id and decision.
///
/// Where the span is in another trace than the context, this service becomes the head of that trace.
pub(crate) fn joined(
    context: &PropagationContext,
    hub: &Hub,
    span: &TransactionOrSpan,
) -> Option<PropagationContext> {
    let sentry_trace = position_of(span)?;
    let parent_span_id = parent_of(span);
    let is_same = sentry_trace.trace_id == context.trace_id();
    let parent_sampled = match (is_same, parent_span_id) {
        (true, _) => context.parent_sampled(),
        (false, None) => None,
        // The span follows a caller that is not known here: no rate of this service made its decision.
        (false, Some(_)) => sentry_trace.sampled,
    };
    let is_own = sentry_trace.sampled.is_some() && parent_sampled.is_none();
    let mut position = SpanPosition::new(sentry_trace);
    position.parent_span_id = parent_span_id;
    position.sample_rate = rate_of(hub).filter(|_| is_own);
    Some(context.at_span(position))
}

/// Returns the rate that the SDK decides by. The SDK does not show the answers of a sampler.
fn rate_of(hub: &Hub) -> Option<SampleRate> {
    match hub.client()?.options().traces_sampling_strategy {
        // The SDK's number is an `f32`. Its text has the digits that were set.
        TracesSamplingStrategy::FixedRate(rate) => rate.to_string().parse().ok(),
        _ => None,
    }
}

/// Returns the parent of a transaction. Of a span below a transaction the SDK does not show the parent: then this is the
/// transaction, which is the parent or above it.
fn parent_of(span: &TransactionOrSpan) -> Option<SpanId> {
    let context = span.get_trace_context();
    match span {
        TransactionOrSpan::Transaction(_) => span_id(context.parent_span_id?),
        TransactionOrSpan::Span(_) => span_id(context.span_id),
    }
}
