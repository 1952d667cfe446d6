//! A context that takes the place of a transaction that somebody else began.

use sentry_core::{Hub, TracesSamplingStrategy, TransactionOrSpan};

use crate::context::PropagationContext;
use crate::decision::Decision;
use crate::id::SpanId;
use crate::sampling::SampleRate;

use super::ids::position_of;

/// The context at the position of a span that is running: with its trace id, its span id and its decision.
///
/// Where the span is in another trace than the context, since it began that one, or continued what the context did
/// not, this service becomes the head of that trace.
pub(super) fn joined(
    context: &PropagationContext,
    hub: &Hub,
    span: &TransactionOrSpan,
) -> Option<PropagationContext> {
    let position = position_of(span)?;
    let parent = parent_of(span);
    let is_same = position.trace_id == context.trace_id();
    let parent_sampled = match (is_same, parent) {
        (true, _) => context.parent_sampled(),
        (false, None) => None,
        // It follows a caller of whom nothing is known here: no rate made its decision.
        (false, Some(_)) => position.sampled,
    };
    let own_rate = rate_of(hub).filter(|_| position.sampled.is_some() && parent_sampled.is_none());
    let decision = Decision { sampled: position.sampled, own_rate };
    Some(context.at(position, parent, decision))
}

/// The rate that the SDK decides by. A sampler's answers are not told.
fn rate_of(hub: &Hub) -> Option<SampleRate> {
    match hub.client()?.options().traces_sampling_strategy {
        // By its text, in which both kinds of floating point numbers are the same.
        TracesSamplingStrategy::FixedRate(rate) => rate.to_string().parse().ok(),
        _ => None,
    }
}

/// A span says nothing of its parent: that of a span within a transaction is the transaction, or below it.
fn parent_of(span: &TransactionOrSpan) -> Option<SpanId> {
    let context = span.get_trace_context();
    match span {
        TransactionOrSpan::Transaction(_) => context.parent_span_id?.try_into().ok(),
        TransactionOrSpan::Span(_) => context.span_id.try_into().ok(),
    }
}
