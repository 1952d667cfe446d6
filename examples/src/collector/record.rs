//! What the collector keeps of envelopes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tracehop::{SpanId, TraceId};

/// A [dynamic sampling context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/)
/// as an envelope has it: names without their prefix, values decoded.
pub type Dsc = BTreeMap<String, String>;

/// One span of one service, however it was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// Who sent it: the part of the release before the `@`, or else the name of the SDK.
    pub service: String,
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The id of the span above it.
    pub parent_span_id: Option<SpanId>,
    /// The sort of work, such as `http.server`.
    pub op: Option<String>,
    /// What was done: a transaction's name, or another span's description.
    pub name: Option<String>,
    /// How it ended, such as `ok` or `not_found`.
    pub status: Option<String>,
    /// Whether it stands for the whole of its service's part, as a transaction does.
    pub is_segment: bool,
    /// When it began, in milliseconds since 1970.
    pub start_ms: f64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The dynamic sampling context in the header of the envelope that it came in.
    pub dsc: Option<Arc<Dsc>>,
}

/// An error or a message that a service captured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Who sent it, as for [`Span::service`].
    pub service: String,
    /// The trace in which it was captured.
    pub trace_id: TraceId,
    /// The span in which it was captured.
    pub span_id: SpanId,
    /// How bad it is, such as `error` or `warning`.
    pub level: String,
    /// The type and the text of an error, or the text of a message.
    pub title: String,
    /// The dynamic sampling context in the header of the envelope that it came in.
    pub dsc: Option<Arc<Dsc>>,
}
