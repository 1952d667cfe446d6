//! Ids and spans of the SDK, as the types of `tracehop`.

use std::sync::Arc;

use sentry_core::protocol::TraceContext;
use sentry_core::{Hub, TransactionOrSpan, protocol};
use tracehop::wire::SentryTrace;
use tracehop::{SpanId, TraceId};

pub(crate) fn sdk_trace_id(id: TraceId) -> protocol::TraceId {
    id.to_bytes().into()
}

pub(crate) fn sdk_span_id(id: SpanId) -> protocol::SpanId {
    id.to_bytes().into()
}

/// Converts a span id of the SDK, `None` if it is all zero. The SDK shows ids only as text.
pub(crate) fn span_id(id: protocol::SpanId) -> Option<SpanId> {
    id.to_string().parse().ok()
}

/// Returns the span in a hub's scope.
///
/// `configure_scope` changes the hub's scope even to read it. So this reads a copy, which is cheap.
pub(crate) fn span_of(hub: &Hub) -> Option<TransactionOrSpan> {
    copy_of(hub).configure_scope(|scope| scope.get_span())
}

/// Whether a transaction is one of the SDK's `tracing` layer.
pub(crate) fn is_of_layer(transaction: &TraceContext) -> bool {
    transaction.origin.as_deref() == Some("auto.tracing")
}

/// Whether a transaction is one of the SDK's `tracing` layer or of its middleware.
pub(crate) fn is_of_middleware(transaction: &TraceContext) -> bool {
    is_of_layer(transaction) || is_of_sdk_middleware(transaction)
}

/// Whether a transaction is one of the SDK's middleware for actix-web or tower.
pub(crate) fn is_of_sdk_middleware(transaction: &TraceContext) -> bool {
    matches!(transaction.origin.as_deref(), Some("auto.http.actix" | "auto.http.tower"))
}

/// Whether the SDK itself made up a trace id, because it knew no trace. A hub without a span has such an id, for example
/// one that another middleware made from the main hub. So has a transaction that the SDK's `tracing` layer started in
/// such a hub. All other trace ids were given on purpose.
pub(crate) fn is_by_chance(id: protocol::TraceId) -> bool {
    let is_by_chance = |hub: Arc<Hub>| {
        let given = copy_of(&hub).configure_scope(|scope| match scope.get_span() {
            Some(span) => {
                let root = span.get_trace_context();
                let is_begun = is_of_layer(&root) && root.parent_span_id.is_none();
                is_begun.then_some(root.trace_id)
            }
            None => read(scope.iter_trace_propagation_headers())
                .map(|position| sdk_trace_id(position.trace_id)),
        });
        given == Some(id)
    };
    is_by_chance(Hub::current()) || is_by_chance(Hub::main())
}

/// Returns ids and decision of a span, which shows its decision only in a header. `None` if an id is all zero.
pub(crate) fn position_of(span: &TransactionOrSpan) -> Option<SentryTrace> {
    read(span.iter_headers())
}

/// Whether a span is sent to Sentry once it is finished.
pub(crate) fn is_recorded(span: &TransactionOrSpan) -> bool {
    #[expect(
        deprecated,
        reason = "the header has the decision; only this method tells whether spans are kept"
    )]
    span.is_sampled()
}

fn copy_of(hub: &Hub) -> Hub {
    // The SDK takes a type that is `AsRef<Hub>`.
    struct This<'a>(&'a Hub);

    impl AsRef<Hub> for This<'_> {
        fn as_ref(&self) -> &Hub {
            self.0
        }
    }

    Hub::new_from_top(This(hub))
}

fn read(headers: impl Iterator<Item = (&'static str, String)>) -> Option<SentryTrace> {
    headers
        .filter(|(name, _)| *name == "sentry-trace")
        .find_map(|(_, value)| SentryTrace::parse(value.as_bytes()).ok())
}
