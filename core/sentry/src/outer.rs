//! A transaction that another middleware started further out, in a trace of its own, before this library continued the
//! incoming trace.
//!
//! The SDK cannot move a running transaction to another trace. So the transaction is marked, and the
//! [transport](crate::Transport) moves it when it is sent.

use sentry_core::TransactionOrSpan;
use sentry_core::protocol::{Context, Span, Transaction, Value};
use tracehop::wire::SentryTrace;
use tracehop::{DynamicSamplingContext, PropagationContext};

use crate::ids::{sdk_span_id, sdk_trace_id};

/// The name of the mark in the data of a span. The transport removes it.
const MARK: &str = "tracehop.trace";

/// Marks the transaction of a span to be sent in the trace of a request, or not at all. A transaction without a parent
/// that moves to another trace gets the request's parent.
pub(crate) fn mark(span: &TransactionOrSpan, context: &PropagationContext, is_sent: bool) {
    let parent = context.parent_span_id().unwrap_or_else(|| context.span_id());
    let position = SentryTrace::new(context.trace_id(), parent, Some(is_sent));
    span.set_data(MARK, Value::from(format!("{position} {}", context.dsc())));
}

/// What the transport does with a transaction.
pub(crate) enum Move {
    /// The transaction has no mark.
    Unmarked,
    /// The transaction is in the trace of a request that is not sampled.
    Discarded,
    /// The transaction is in the trace of a request, which has this dynamic sampling context.
    Moved(DynamicSamplingContext),
}

/// Moves a marked transaction to the trace of its request.
pub(crate) fn move_marked(transaction: &mut Transaction<'_>) -> Move {
    let Some(mark) = take_mark(transaction) else { return Move::Unmarked };
    let Some((position, baggage)) = mark.as_str().and_then(|mark| mark.split_once(' ')) else {
        return Move::Unmarked;
    };
    let Ok(position) = SentryTrace::parse(position.as_bytes()) else { return Move::Unmarked };
    if position.sampled != Some(true) {
        return Move::Discarded;
    }
    move_to(transaction, position);
    Move::Moved(DynamicSamplingContext::from_baggage([baggage.as_bytes()]))
}

/// Puts a transaction and its spans into a trace, if they are in another. A transaction without a parent gets the
/// position's span as its parent.
pub(crate) fn move_to(transaction: &mut Transaction<'_>, position: SentryTrace) {
    let trace_id = sdk_trace_id(position.trace_id);
    if let Some(Context::Trace(trace)) = transaction.contexts.get_mut("trace") {
        if trace.trace_id == trace_id {
            return;
        }
        trace.trace_id = trace_id;
        trace.parent_span_id.get_or_insert(sdk_span_id(position.span_id));
    }
    transaction.spans.iter_mut().for_each(|span| span.trace_id = trace_id);
}

fn take_mark(transaction: &mut Transaction<'_>) -> Option<Value> {
    let of_root = match transaction.contexts.get_mut("trace") {
        Some(Context::Trace(trace)) => trace.data.remove(MARK),
        _ => None,
    };
    let of_span = |span: &mut Span| span.data.remove(MARK);
    of_root.or_else(|| transaction.spans.iter_mut().find_map(of_span))
}
