//! The position of a span outside of this library.

use crate::sampling::SampleRate;
use crate::wire::{SentryTrace, SpanId};

/// The ids and the sampling decision of a span that is recorded outside of this library.
///
/// See [`PropagationContext::at_span`](crate::PropagationContext::at_span).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanPosition {
    /// The trace, the span and the decision.
    pub sentry_trace: SentryTrace,
    /// The parent of the span; `None` at the head of the trace.
    pub parent_span_id: Option<SpanId>,
    /// The rate of this service, if that made the decision.
    pub sample_rate: Option<SampleRate>,
}

impl SpanPosition {
    /// Makes the position of a span without a parent, whose decision was not made by a rate of this service.
    pub const fn new(sentry_trace: SentryTrace) -> Self {
        Self { sentry_trace, parent_span_id: None, sample_rate: None }
    }
}
