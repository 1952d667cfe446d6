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

#[cfg(feature = "sentry")]
struct HeadersMut<'a>(&'a mut HeaderMap);

#[cfg(feature = "sentry")]
impl Extractor for HeadersMut<'_> {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.0.get_all(header_name(field)).map(HeaderValue::as_bytes)
    }
}

#[cfg(feature = "sentry")]
impl tracehop::Injector for HeadersMut<'_> {
    fn set(&mut self, field: Field, value: &str) {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.0.insert(header_name(field), value);
        }
    }
}

/// The headers that a trace came in, where they say something else by now.
#[cfg(feature = "sentry")]
struct Arrived(HeaderMap);

/// Makes the request's headers say where this service is in the trace, in place of where its caller is.
#[cfg(feature = "sentry")]
pub(crate) fn write_position(
    context: &PropagationContext,
    request: &mut actix_web::dev::ServiceRequest,
) {
    if request.extensions().get::<Arrived>().is_none() {
        let mut arrived = HeaderMap::new();
        for name in Field::ALL.iter().copied().map(header_name) {
            for value in request.headers().get_all(&name) {
                arrived.append(name.clone(), value.clone());
            }
        }
        request.extensions_mut().insert(Arrived(arrived));
    }
    tracehop::sentry::inject_position(context, &mut HeadersMut(request.headers_mut()));
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
        let context = continue_from_headers(propagator, request);
        request.extensions_mut().insert(context.clone());
        name_by_route(&context, route);
        context
    })
}

fn continue_from_headers(propagator: &Propagator, request: &HttpRequest) -> PropagationContext {
    #[cfg(feature = "sentry")]
    if let Some(Arrived(headers)) = request.extensions().get() {
        return propagator.continue_trace(&Headers(headers));
    }
    propagator.continue_trace(&Headers(request.headers()))
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
