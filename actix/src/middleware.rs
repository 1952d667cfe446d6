use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{
    CACHE_CONTROL, CDN_CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue,
};
use actix_web::{Error, dev};
use pin_project_lite::pin_project;
use tracehop::{
    InTrace as _, PropagationContext, Propagator, Traced, is_storable_by_shared_caches,
};

use crate::body::TracedBody;
use crate::request::continue_trace;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Middleware that continues the trace of each request, or starts one.
///
/// * The trace is in the request's extensions, as a [`PropagationContext`], and the
///   [current](PropagationContext::current) one of the handler, of what the handler awaits, and of a body
///   that is streamed.
/// * The transaction is named by the route, `GET /users/{id}`, never by the path that was requested. Where
///   guards decide between routes for the same path, the first of these is taken; a handler that takes a
///   [`Trace`](crate::Trace) corrects it. A resource with several patterns is known by its first.
/// * A request that passes this middleware twice has one trace, if both have the same propagator; with
///   another one, such as that of a tenant's scope, the inner one continues the trace by its own options.
///
/// * A page with the trace's tags that shared caches [may keep](is_storable_by_shared_caches) would give one trace
///   to all its visitors. With the feature `tracing` there is a warning, once for each route.
///
/// Nothing about a header fails a request, and what handlers and other middleware return is passed on. An
/// error that other middleware returns becomes a response outside of the trace, and has no `Server-Timing`.
///
/// The body of the response is wrapped, as it may still be streamed when the handler has returned.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Debug, Clone)]
pub struct TracePropagation {
    propagator: Propagator,
    server_timing: bool,
}

impl TracePropagation {
    /// Middleware that continues traces by the options of this propagator.
    pub fn new(propagator: Propagator) -> Self {
        Self { propagator, server_timing: false }
    }

    /// Whether HTML responses get a [`Server-Timing`](https://www.w3.org/TR/server-timing/) header with the
    /// trace. Off by default.
    ///
    /// It has what the request's `baggage` had of Sentry's, up to 8192 bytes, for which a proxy in front must
    /// have room in its response headers.
    ///
    /// The browser SDK continues the trace from there if the page has no meta tags, such as a page from a
    /// file. A response that shared caches [may keep](is_storable_by_shared_caches) gets none, as all visitors
    /// would share one trace; a `Cache-Control` that middleware further out sets comes too late for this.
    #[must_use]
    pub fn server_timing(mut self, server_timing: bool) -> Self {
        self.server_timing = server_timing;
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for TracePropagation
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<TracedBody<B>>;
    type Error = Error;
    type Transform = TracePropagationMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(TracePropagationMiddleware { service, settings: self.clone() }))
    }
}

/// The service that [`TracePropagation`] makes.
#[derive(Debug)]
pub struct TracePropagationMiddleware<S> {
    service: S,
    settings: TracePropagation,
}

impl<S, B> Service<ServiceRequest> for TracePropagationMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<TracedBody<B>>;
    type Error = Error;
    type Future = TraceResponse<S::Future>;

    dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let context = continue_trace(&self.settings.propagator, request.request());
        // Middleware further in may work before it returns its future.
        let future = context.in_scope(|| self.service.call(request));
        TraceResponse {
            future: future.in_trace(context),
            server_timing: self.settings.server_timing,
        }
    }
}

pin_project! {
    /// The response of [`TracePropagationMiddleware`], when it comes.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you await or poll them"]
    pub struct TraceResponse<F> {
        #[pin]
        future: Traced<F>,
        server_timing: bool,
    }
}

impl<F, B> Future for TraceResponse<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Result<ServiceResponse<TracedBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        this.future.as_mut().poll(cx).map_ok(|mut response| {
            let context = this.future.take_context();
            if let Some(context) = &context {
                let server_timing = *this.server_timing && is_html(&response);
                if (server_timing || context.is_in_page()) && is_shared(&response) {
                    let route = response.request().match_pattern().unwrap_or_default();
                    context.warn_if_in_shared_page(&route);
                } else if server_timing {
                    add_server_timing(&mut response, context);
                }
            }
            response.map_body(|_, body| TracedBody::new(body, context))
        })
    }
}

fn is_html<B>(response: &ServiceResponse<B>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/html"))
}

/// Whether others than the visitor may get this very response.
fn is_shared<B>(response: &ServiceResponse<B>) -> bool {
    [CACHE_CONTROL, CDN_CACHE_CONTROL].into_iter().any(|name| {
        let lines = response.headers().get_all(name).map(HeaderValue::as_bytes);
        is_storable_by_shared_caches(lines)
    })
}

/// Once: the same middleware further in may have done it.
fn add_server_timing<B>(response: &mut ServiceResponse<B>, context: &PropagationContext) {
    let is_ours = |value: &HeaderValue| value.as_bytes().starts_with(b"sentry-trace;");
    if response.headers().get_all(SERVER_TIMING).any(is_ours) {
        return;
    }
    if let Ok(value) = HeaderValue::try_from(context.trace_data().server_timing()) {
        response.headers_mut().append(SERVER_TIMING, value);
    }
}
