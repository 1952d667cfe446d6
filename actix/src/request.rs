//! Where actix-web keeps what a trace is read from.

use std::cell::OnceCell;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest};
use tracehop::{Extractor, Field, PropagationContext, Propagator};

/// The request headers that a trace travels in, for the `allowed_headers` of
/// [actix-cors](https://docs.rs/actix-cors).
pub const TRACE_HEADERS: [&str; Field::ALL.len()] = {
    let mut names = [""; Field::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Field::ALL[at].name();
        at += 1;
    }
    names
};

/// Actix-web's own header map, which is not that of the crate `http`.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.0.get_all(header_name(field)).map(HeaderValue::as_bytes)
    }
}

/// A name that is a constant is not looked up by its text with every request.
fn header_name(field: Field) -> HeaderName {
    const SENTRY_TRACE: HeaderName = HeaderName::from_static(Field::SentryTrace.name());
    const BAGGAGE: HeaderName = HeaderName::from_static(Field::Baggage.name());
    const TRACEPARENT: HeaderName = HeaderName::from_static(Field::Traceparent.name());
    const TRACESTATE: HeaderName = HeaderName::from_static(Field::Tracestate.name());
    match field {
        Field::SentryTrace => SENTRY_TRACE,
        Field::Baggage => BAGGAGE,
        Field::Traceparent => TRACEPARENT,
        Field::Tracestate => TRACESTATE,
        // More fields may come.
        _ => HeaderName::from_static(field.name()),
    }
}

/// The trace that this request belongs to, if it was continued already.
pub(crate) fn trace_of(request: &HttpRequest) -> Option<PropagationContext> {
    request.extensions().get::<PropagationContext>().cloned()
}

/// Continues the trace of a request and keeps it with the request, or returns the one that is there, if it
/// is of the same propagator.
pub(crate) fn continue_trace(propagator: &Propagator, route: &Route<'_>) -> PropagationContext {
    let request = route.request();
    let known = trace_of(request).filter(|context| propagator.is_propagator_of(context));
    known.unwrap_or_else(|| {
        let context = propagator.continue_trace(&Headers(request.headers()));
        request.extensions_mut().insert(context.clone());
        name_by_route(&context, route);
        context
    })
}

/// The route of a request, looked for when it is asked for: to find the pattern, the path is matched once more.
pub(crate) struct Route<'r> {
    request: &'r HttpRequest,
    pattern: OnceCell<Option<String>>,
}

impl<'r> Route<'r> {
    pub(crate) fn of(request: &'r HttpRequest) -> Self {
        Self { request, pattern: OnceCell::new() }
    }

    pub(crate) fn request(&self) -> &'r HttpRequest {
        self.request
    }

    pub(crate) fn pattern(&self) -> Option<&str> {
        self.pattern.get_or_init(|| self.request.match_pattern()).as_deref()
    }
}

/// A path that no route matches is nobody's name for anything.
pub(crate) fn name_by_route(context: &PropagationContext, route: &Route<'_>) {
    if context.uses_transaction()
        && let Some(pattern) = route.pattern()
    {
        context.set_route(route.request().method().as_str(), pattern);
    }
}
