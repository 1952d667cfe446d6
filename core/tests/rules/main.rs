//! The rules of propagation, through the public surface alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod bad_input;
mod continuation;
mod decision_matrix;
mod dynamic_sampling_context;
mod outgoing;
mod races;
mod secrets;
mod traceparent;

use tracehop::PropagationContext;

/// A trace of somebody else's.
const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
const SPAN_ID: &str = "b72fa28504b07285";

/// Header lines, in order.
type Headers = Vec<(String, String)>;

fn headers<const N: usize>(lines: [(&str, &str); N]) -> Headers {
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The other trace, with its decision behind the ids (`""`, `"-0"`, `"-1"`), and a baggage unless empty.
fn incoming(decision: &str, baggage: &str) -> Headers {
    let mut lines = headers([("sentry-trace", &format!("{TRACE_ID}-{SPAN_ID}{decision}"))]);
    if !baggage.is_empty() {
        lines.extend(headers([("baggage", baggage)]));
    }
    lines
}

/// What a request without headers of its own gets.
fn outgoing(context: &PropagationContext) -> Headers {
    let mut headers = Headers::new();
    context.inject("https://api.example.com/stock", &mut headers);
    headers
}

fn value<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
