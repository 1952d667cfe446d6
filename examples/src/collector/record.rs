//! The spans and events that the collector keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tracehop::{SpanId, TraceId};

/// A [dynamic sampling context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/)
/// as in the header of an envelope: names without the prefix, values decoded.
pub type Dsc = BTreeMap<String, String>;

/// One span of one service, from any kind of envelope item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// The name of the sender: the part of its release before the `@`, else the name of its SDK.
    pub service: String,
    /// The id of the trace.
    pub trace_id: TraceId,
    /// The id of this span.
    pub span_id: SpanId,
    /// The id of the parent span.
    pub parent_span_id: Option<SpanId>,
    /// The sort of work, such as `http.server`.
    pub op: Option<String>,
    /// The name of a transaction, or the description of another span.
    pub name: Option<String>,
    /// The status, such as `ok` or `not_found`.
    pub status: Option<String>,
    /// Whether it is the top span of its service, as a transaction is.
    pub is_segment: bool,
    /// The start, in milliseconds since 1970.
    pub start_ms: f64,
    /// The duration, in milliseconds.
    pub duration_ms: f64,
    /// The dynamic sampling context in the header of its envelope.
    pub dsc: Option<Arc<Dsc>>,
}

/// An error or a message that a service captured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// The name of the sender, as for [`Span::service`].
    pub service: String,
    /// The id of the trace in which it was captured.
    pub trace_id: TraceId,
    /// The id of the span in which it was captured.
    pub span_id: SpanId,
    /// The level, such as `error` or `warning`.
    pub level: String,
    /// The type and the text of an error, or the text of a message.
    pub title: String,
    /// The application's functions on the stack of an error, the innermost first.
    pub stack: Vec<String>,
    /// The dynamic sampling context in the header of its envelope.
    pub dsc: Option<Arc<Dsc>>,
}
