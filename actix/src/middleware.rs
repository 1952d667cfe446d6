use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage as _, dev};
use pin_project_lite::pin_project;
use tracehop::Propagator;
use tracehop::hop::{InHop, ServerHop};

use crate::body::TracedBody;
use crate::request::{Incoming, known_context};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Middleware that continues the trace of each request, or starts one.
///
/// * The trace is in the request's extensions, as a [`PropagationContext`](tracehop::PropagationContext), and the
///   [current](tracehop::PropagationContext::current) one of the handler, of all that the handler awaits, and of a
///   streamed body.
/// * The transaction is named by the route, `GET /users/{id}`, never by the requested path.
///   - Where guards decide between routes for the same path, the first of these routes gives the name. A handler that
///     takes a [`Trace`](crate::Trace) corrects the name, and so does the response of a recorded request.
///   - A resource with several patterns is named by the first. Files at `/` have no name, since all paths match.
///   - Wrap `NormalizePath` after this middleware, so that it normalizes the path first.
/// * A request that passes two of these middlewares has one trace, if both have the same propagator. With another
///   propagator, such as that of a tenant's scope, the inner one continues the trace by its own options.
/// * A [recorder](tracehop::PropagatorBuilder::recorder) of the propagator, and with the feature `tracing` a
///   [log span](tracehop#log-spans), record the request.
/// * Caches [may show](tracehop::hop::may_be_reused) some pages again without asking. If such a page has a trace in it,
///   all these visits are in that trace. With the feature `tracing` there is a warning, once for each route.
///
/// No header fails a request. Responses and errors of handlers and of other middleware are passed on. An error that
/// another middleware returns becomes a response outside of the trace, without `Server-Timing`.
///
/// The body of the response is wrapped, because it may still be streamed after the handler has returned.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Debug, Clone)]
pub struct TracePropagation {
    propagator: Propagator,
    server_timing: bool,
}

impl TracePropagation {
    /// Makes the middleware. It continues traces by the options of this propagator.
    pub fn new(propagator: Propagator) -> Self {
        Self { propagator, server_timing: false }
    }

    /// Sets whether HTML responses get a [`Server-Timing`](https://www.w3.org/TR/server-timing/) header with the
    /// trace. Off by default.
    ///
    /// The header has the ids, the decision, and the dynamic sampling context of up to 8192 bytes. A proxy in front must
    /// accept response headers of that size.
    ///
    /// The browser SDK continues the trace from it if the page has no meta tags, such as a page from a file. A 304
    /// without a `Content-Type` gets the header as well: it renews a page that the browser keeps.
    ///
    /// A response that caches [may show](tracehop::hop::may_be_reused) again without asking gets no such header, because
    /// all these visits would share one trace. A `Cache-Control` that middleware further out sets comes too late for
    /// this.
    #[must_use]
    pub fn server_timing(mut self, server_timing: bool) -> Self {
        self.server_timing = server_timing;
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
        let propagator = ServerHop::propagator_for_worker(&self.propagator);
        let settings = Self { propagator, server_timing: self.server_timing };
        ready(Ok(TracePropagationMiddleware { service, settings }))
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
    B: MessageBody,
{
    type Response = ServiceResponse<TracedBody<B>>;
    type Error = Error;
    type Future = TraceResponse<S::Future>;

    dev::forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let hop = start(&self.settings.propagator, &request);
        // After routing, another middleware may have a clone of the request, and actix-web panics if the headers of such
        // a request are changed. Before routing there is no clone: routing needs the request without clones.
        let is_routed = request.match_info().unprocessed().is_empty();
        if hop.needs_position_in_request() && !is_routed {
            hop.inject_position(request.headers_mut());
        }
        request.extensions_mut().insert(hop.context().clone());
        hop.extend(&mut *request.extensions_mut());
        // Middleware further in may work before it returns its future.
        let future = hop.run(|| self.service.call(request));
        TraceResponse {
            future: InHop::new(future, hop),
            server_timing: self.settings.server_timing,
        }
    }
}

fn start(propagator: &Propagator, request: &ServiceRequest) -> ServerHop {
    let request = request.request();
    let known = known_context(request);
    ServerHop::start(propagator, known, request.headers(), &Incoming::new(request))
}

pin_project! {
    /// The future of [`TracePropagationMiddleware`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you await or poll them"]
    pub struct TraceResponse<F> {
        #[pin]
        future: InHop<F>,
        server_timing: bool,
    }
}

impl<F, B> Future for TraceResponse<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<TracedBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (result, mut hop) = ready!(this.future.poll_output(cx));
        let mut response = match result {
            Ok(response) => response,
            Err(error) => {
                let status = error.as_response_error().status_code().as_u16();
                hop.finish_with_error(status, &error);
                return Poll::Ready(Err(error));
            }
        };
        let status = response.status().as_u16();
        if let Some(error) = response.response().error() {
            hop.note_error(status, error);
        }
        let request = Incoming::new(response.request());
        let timing = hop.respond(status, response.headers(), Some(&request), *this.server_timing);
        if let Some(value) = timing.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().append(SERVER_TIMING, value);
        }
        Poll::Ready(Ok(response.map_body(|_, body| TracedBody::new(body, hop))))
    }
}
