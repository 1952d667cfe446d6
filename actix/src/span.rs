//! The span of a request in the logs. Without the feature `tracing` there is none, and this costs nothing.

use actix_web::Error;
use actix_web::dev::ServiceResponse;
use tracehop::PropagationContext;
#[cfg(feature = "tracing")]
use tracing::level_filters::LevelFilter;

use crate::request::Route;

/// The span of a request; none if nobody listens, or if an outer middleware has opened that of the same trace.
#[derive(Debug, Clone)]
pub(crate) struct RequestSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

#[cfg(feature = "tracing")]
impl RequestSpan {
    pub(crate) fn open(context: &PropagationContext, route: &Route<'_>) -> Self {
        use actix_web::HttpMessage as _;

        let request = route.request();
        let is_of_context = |open: &Open| open.span_id == context.span_id();
        // Asked for first, since with the feature `log` of `tracing`, which actix turns on, the fields are made, and
        // logged as a line of their own, where nobody listens.
        if LevelFilter::current() < LevelFilter::INFO
            || request.extensions().get::<Open>().is_some_and(is_of_context)
        {
            return Self { span: tracing::Span::none() };
        }
        let span = tracing::info_span!(
            target: "tracehop_actix",
            "http.server",
            trace_id = %context.trace_id(),
            span_id = %context.span_id(),
            method = tracehop::known_method(request.method().as_str()),
            route = route.pattern(),
            status = tracing::field::Empty,
        );
        if !span.is_disabled() {
            let route = route.pattern().map(str::to_owned);
            let open = Open { span_id: context.span_id(), span: span.clone(), route };
            request.extensions_mut().insert(open);
        }
        Self { span }
    }

    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        self.span.in_scope(f)
    }

    /// Records what the response says: its status, and the route, since guards have had their say.
    pub(crate) fn record_response<B>(&self, response: &Result<ServiceResponse<B>, Error>) {
        if self.span.is_disabled() {
            return;
        }
        let status = match response {
            Ok(response) => {
                correct_route(&Route::of(response.request()));
                response.status()
            }
            Err(error) => error.as_response_error().status_code(),
        };
        self.span.record("status", status.as_u16());
    }
}

#[cfg(not(feature = "tracing"))]
impl RequestSpan {
    pub(crate) fn open(_: &PropagationContext, _: &Route<'_>) -> Self {
        Self {}
    }

    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    pub(crate) fn record_response<B>(&self, _: &Result<ServiceResponse<B>, Error>) {}
}

/// The span that is open for a request, kept with the request.
#[cfg(feature = "tracing")]
struct Open {
    span_id: tracehop::SpanId,
    span: tracing::Span,
    /// As it was recorded last: formatters of plain text write a field again each time that it is recorded.
    route: Option<String>,
}

/// Records the route, if it turned out to be another one than the path alone tells.
#[cfg(feature = "tracing")]
pub(crate) fn correct_route(route: &Route<'_>) {
    use actix_web::HttpMessage as _;

    if let Some(open) = route.request().extensions_mut().get_mut::<Open>()
        && let Some(pattern) = route.pattern()
        && open.route.as_deref() != Some(pattern)
    {
        open.span.record("route", pattern);
        open.route = Some(pattern.to_owned());
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn correct_route(_: &Route<'_>) {}
