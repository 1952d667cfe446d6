use std::collections::BTreeMap;

use actix_web::{HttpMessage as _, HttpRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The request headers that a trace travels in.
const HEADERS: [&str; 4] = ["sentry-trace", "baggage", "traceparent", "tracestate"];

/// The query of a request.
#[derive(Debug, Clone, Deserialize)]
pub struct Next {
    /// The URL to call before answering.
    pub next: Option<String>,
}

/// The reply of a service: what it saw of the trace.
#[derive(Debug, Clone, Serialize)]
pub struct Reply {
    /// The name of the service.
    pub service: &'static str,
    /// The propagation headers as they arrived.
    pub received: BTreeMap<&'static str, String>,
    /// The position in the trace, as the implementation sees it.
    #[serde(flatten)]
    pub seen: Seen,
    /// The reply of the next service.
    pub next: Option<Value>,
}

/// The position of a service in a trace, as its implementation sees it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Seen {
    /// The trace's id.
    pub trace_id: Option<String>,
    /// The id of the span that stands for the request.
    pub span_id: Option<String>,
    /// The id of the parent span.
    pub parent_span_id: Option<String>,
    /// The sampling decision.
    pub sampled: Option<bool>,
    /// The reason why the incoming trace was not continued.
    pub not_continued: Option<String>,
    /// The id of the span that stands for the call of the next service.
    pub client_span_id: Option<String>,
    /// The dynamic sampling context, as baggage.
    pub own_dsc: Option<String>,
}

impl Reply {
    /// Makes the reply to this request.
    #[must_use]
    pub fn new(service: &'static str, request: &HttpRequest, seen: Seen) -> Self {
        let arrived = request.extensions().get::<Arrived>().cloned();
        let arrived =
            arrived.unwrap_or_else(|| Arrived::with(|name| request.headers().get_all(name)));
        Self::with(service, arrived, seen)
    }

    /// Makes the reply to a request with these headers.
    #[must_use]
    pub fn with(service: &'static str, arrived: Arrived, seen: Seen) -> Self {
        Self { service, received: arrived.0, seen, next: None }
    }
}

/// The propagation headers of a request, before a middleware changes them for middleware further in.
#[derive(Debug, Clone)]
pub struct Arrived(BTreeMap<&'static str, String>);

impl Arrived {
    /// Copies the propagation headers. The function returns all lines of a header.
    #[must_use]
    pub fn with<'h, V: AsRef<[u8]> + 'h, L: Iterator<Item = &'h V>>(
        get_all: impl Fn(&'static str) -> L,
    ) -> Self {
        let received = HEADERS.into_iter().filter_map(|name| {
            let lines = get_all(name);
            let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_ref())).collect();
            (!lines.is_empty()).then(|| (name, lines.join(",")))
        });
        Self(received.collect())
    }
}

/// Reads the reply of the next service.
///
/// # Errors
///
/// A response that is not a success, or not JSON.
pub async fn next(response: reqwest::Response) -> reqwest::Result<Value> {
    response.error_for_status()?.json().await
}
