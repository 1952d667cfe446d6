//! What arrived of a trace, as the collector lists it.

use std::fmt;

use serde::Deserialize;

use crate::headers::Dsc;

/// All that arrived of a trace.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Trace {
    pub(crate) spans: Vec<Span>,
    pub(crate) events: Vec<Event>,
}

/// A span that an SDK sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_span_id: Option<String>,
    pub(crate) op: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) is_segment: bool,
    /// From the header of its envelope.
    pub(crate) dsc: Option<Dsc>,
}

/// An error that an SDK sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) service: String,
    pub(crate) span_id: String,
    pub(crate) title: String,
    /// From the header of its envelope.
    pub(crate) dsc: Option<Dsc>,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, name) = (self.op.as_deref(), self.name.as_deref());
        let (op, name) = (op.unwrap_or("span"), name.unwrap_or("unnamed"));
        write!(f, "{}'s {op} \"{name}\" ({})", self.service, self.span_id)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'s \"{}\" (in {})", self.service, self.title, self.span_id)
    }
}
