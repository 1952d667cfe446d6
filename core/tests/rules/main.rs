//! The rules of propagation, through the public surface alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod bad_input;
mod carriers;
mod continuation;
mod decision_matrix;
mod dynamic_sampling_context;
mod hops;
mod limits;
mod naming;
mod outgoing;
mod races;
mod recorders;
mod samplers;
mod secrets;
mod traceparent;
mod trust;

use std::borrow::Cow;
use std::cell::Cell;

use tracehop::PropagationContext;
use tracehop::recorder::{IncomingRequest, OutgoingRequest};

/// The incoming trace.
const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
/// The span of the calling service.
const SPAN_ID: &str = "b72fa28504b07285";

const URL: &str = "https://api.example.com/stock";

/// Header lines, in order.
type Headers = Vec<(String, String)>;

fn headers<const N: usize>(lines: [(&str, &str); N]) -> Headers {
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The headers of the incoming trace. The decision after the ids is `""`, `"-0"` or `"-1"`. An empty baggage is left
/// out.
fn incoming(decision: &str, baggage: &str) -> Headers {
    let mut lines = headers([("sentry-trace", &format!("{TRACE_ID}-{SPAN_ID}{decision}"))]);
    if !baggage.is_empty() {
        lines.extend(headers([("baggage", baggage)]));
    }
    lines
}

/// The headers that a request without headers of its own gets.
fn outgoing(context: &PropagationContext) -> Headers {
    let mut headers = Headers::new();
    context.inject_to(URL, &mut headers);
    headers
}

fn value<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A request that this service answers.
struct Received {
    method: &'static str,
    route: Option<&'static str>,
    /// How often the route was read.
    routes_read: Cell<usize>,
}

fn received(method: &'static str, route: Option<&'static str>) -> Received {
    Received { method, route, routes_read: Cell::new(0) }
}

impl IncomingRequest for Received {
    fn method(&self) -> &str {
        self.method
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        self.routes_read.set(self.routes_read.get() + 1);
        self.route.map(Cow::Borrowed)
    }

    fn url(&self) -> String {
        "https://user:hush@shop.example.com/users/7?token=hush".to_owned()
    }
}

/// A GET request that this service makes to this URL.
struct Call(&'static str);

impl OutgoingRequest for Call {
    fn method(&self) -> &str {
        "GET"
    }

    fn url(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }
}
