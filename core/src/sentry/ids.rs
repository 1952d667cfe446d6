//! The SDK's ids and spans, in our words.

use sentry_core::{Hub, TransactionOrSpan, protocol};

use crate::id::{IdError, SpanId, TraceId};
use crate::wire::SentryTrace;

impl From<TraceId> for protocol::TraceId {
    fn from(id: TraceId) -> Self {
        id.to_bytes().into()
    }
}

impl From<SpanId> for protocol::SpanId {
    fn from(id: SpanId) -> Self {
        id.to_bytes().into()
    }
}

impl TryFrom<protocol::TraceId> for TraceId {
    type Error = IdError;

    /// The SDK reads an id that is all zero, and has no way to ask for the bytes.
    fn try_from(id: protocol::TraceId) -> Result<Self, IdError> {
        id.to_string().parse()
    }
}

impl TryFrom<protocol::SpanId> for SpanId {
    type Error = IdError;

    fn try_from(id: protocol::SpanId) -> Result<Self, IdError> {
        id.to_string().parse()
    }
}

/// The span that a hub's scope has.
///
/// A hub's scope is written back whenever somebody looks into it, and what somebody else writes meanwhile is lost:
/// so this looks into a copy, which is cheap.
pub(super) fn span_of(hub: &Hub) -> Option<TransactionOrSpan> {
    copy_of(hub).configure_scope(|scope| scope.get_span())
}

/// What a hub without a span would send on.
pub(super) fn own_position_of(hub: &Hub) -> Option<SentryTrace> {
    copy_of(hub).configure_scope(|scope| read(scope.iter_trace_propagation_headers()))
}

/// Ids and decision of a span, which it tells as a header alone. An id that is all zero is nobody's position.
pub(super) fn position_of(span: &TransactionOrSpan) -> Option<SentryTrace> {
    read(span.iter_headers())
}

/// Whether a span reaches Sentry if it is finished.
pub(super) fn is_recorded(span: &TransactionOrSpan) -> bool {
    #[expect(
        deprecated,
        reason = "the header says what was decided; only this says whether spans are kept"
    )]
    span.is_sampled()
}

fn copy_of(hub: &Hub) -> Hub {
    // By reference: the SDK asks for something that gives one.
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
