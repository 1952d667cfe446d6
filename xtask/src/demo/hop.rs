//! What the demo's services record of a request.

use serde::{Deserialize, Serialize};

/// One request as one service, or the browser, saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hop {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_span_id: Option<String>,
    pub(crate) sampled: Option<bool>,
    /// The dynamic sampling context as baggage text, empty if there is none.
    pub(crate) dsc: String,
    /// Whether an incoming trace was continued.
    pub(crate) continued: bool,
    /// Why it was not.
    pub(crate) reason: Option<String>,
    pub(crate) start_ms: f64,
    pub(crate) duration_ms: f64,
}
