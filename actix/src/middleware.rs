use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::{Error, dev};
use pin_project_lite::pin_project;
use tracehop::{
    InTrace as _, PropagationContext, Propagator, SHARED_CACHE_HEADERS, Traced,
    is_storable_by_shared_caches,
};

use crate::around::Around;
use crate::body::TracedBody;
use crate::request::{Route, continue_trace};
use crate::sentry::Worker;
use crate::span::RequestSpan;

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
/// * With the feature `tracing` all that is logged meanwhile is in a [span](crate#logs), one for each trace.
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
    #[cfg(feature = "sentry")]
    sentry: bool,
}

impl TracePropagation {
    /// Middleware that continues traces by the options of this propagator.
    pub fn new(propagator: Propagator) -> Self {
        Self {
            propagator,
            server_timing: false,
            #[cfg(feature = "sentry")]
            sentry: false,
        }
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

    /// Whether each request has a transaction of Sentry's SDK, at exactly the position of its trace, and a hub of its
    /// own, with which the handler runs: an error that is captured there belongs to the trace. Off by default.
    ///
    /// See the [crate's documentation](crate#beside-sentrys-sdk).
    #[cfg(feature = "sentry")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sentry")))]
    #[must_use]
    pub fn sentry(mut self, sentry: bool) -> Self {
        self.sentry = sentry;
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for TracePropagation
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<TracedBody<B>>;
    type Error = Error;
    type Transform = TracePropagationMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        #[cfg(feature = "sentry")]
        let sentry = Worker::new(self.sentry);
        #[cfg(not(feature = "sentry"))]
        let sentry = Worker;
        ready(Ok(TracePropagationMiddleware { service, settings: self.clone(), sentry }))
    }
}

/// The service that [`TracePropagation`] makes.
#[derive(Debug)]
pub struct TracePropagationMiddleware<S> {
    service: S,
    settings: TracePropagation,
    sentry: Worker,
}

impl<S, B> Service<ServiceRequest> for TracePropagationMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<TracedBody<B>>;
    type Error = Error;
    type Future = TraceResponse<S::Future>;

    dev::forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let context = continue_trace(&self.settings.propagator, &Route::of(request.request()));
        let (context, sentry) = self.sentry.start(context, &mut request);
        let span = RequestSpan::open(&context, &Route::of(request.request()));
        let around = Around { span, sentry };
        // Middleware further in may work before it returns its future.
        let future = around.run(|| context.in_scope(|| self.service.call(request)));
        TraceResponse {
            future: Some(future.in_trace(context)),
            server_timing: self.settings.server_timing,
            around,
        }
    }
}

pin_project! {
    /// The response of [`TracePropagationMiddleware`], when it comes.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you await or poll them"]
    pub struct TraceResponse<F> {
        #[pin]
        future: Option<Traced<F>>,
        server_timing: bool,
        around: Around,
    }

    impl<F> PinnedDrop for TraceResponse<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.around.run(|| this.future.set(None));
        }
    }
}

impl<F, B> Future for TraceResponse<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<TracedBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(mut future) = this.future.as_mut().as_pin_mut() else {
            // Only one that is being dropped has none.
            return Poll::Pending;
        };
        let result = ready!(this.around.run(|| future.as_mut().poll(cx)));
        let context = future.take_context();
        this.around.record(&result);
        let mut response = result?;
        if let Some(context) = &context {
            let server_timing = *this.server_timing && is_html(&response);
            if (server_timing || context.is_in_page()) && is_shared(&response) {
                let route = response.request().match_pattern().unwrap_or_default();
                this.around.span.in_scope(|| context.warn_if_in_shared_page(&route));
            } else if server_timing {
                add_server_timing(&mut response, context);
            }
        }
        let around = this.around.respond(&response);
        Poll::Ready(Ok(response.map_body(|_, body| TracedBody::new(body, context, around))))
    }
}

fn is_html<B>(response: &ServiceResponse<B>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/html"))
}

/// Whether others than the visitor may get this very response.
fn is_shared<B>(response: &ServiceResponse<B>) -> bool {
    SHARED_CACHE_HEADERS.into_iter().any(|name| {
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
