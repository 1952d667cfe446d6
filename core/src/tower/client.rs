use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::hop::{ClientHop, TraceChoice};
use crate::propagator::Propagator;

/// Layer that writes the trace into the headers of each request.
///
/// The trace is that of the [`TraceChoice`] in the request's extensions, else the
/// [current](crate::PropagationContext::current) one, else a new one by this propagator.
///
/// ```
/// use tracehop::Propagator;
/// use tracehop::tower::TraceChoice;
///
/// let job = Propagator::builder().build()?.start_new_trace();
/// let url = "https://api.example.com/stock";
/// let given = http::Request::get(url).extension(TraceChoice::Given(job)).body(())?;
/// let without = http::Request::get(url).extension(TraceChoice::Without).body(())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The request's URL must be a target for this propagator, and also for the propagator that made the trace, if that is
/// another. A URL without a host is completed by the header `Host`, with the scheme `http`. Without either, it matches
/// no typed target: give a tonic client its URL by `with_origin`. With the feature `tracing` there is a warning, once.
///
/// Headers that were set by hand are respected: a request with a `sentry-trace` keeps it and its `baggage`, and
/// `baggage` of other vendors stays in front. See [`inject`](crate::PropagationContext::inject).
///
/// A [recorder](crate::PropagatorBuilder::recorder) of the propagator, and with the feature `tracing` a
/// [log span](crate#log-spans), record the request until the head of its response.
///
/// # Beside other layers
///
/// * tower-http's `FollowRedirect`: put it further out than this layer. Then each URL is checked anew, and a redirect
///   takes no trace headers along.
/// * tower's `Retry`: both orders work. If `Retry` is further out, each attempt has a recording of its own, and outside
///   of any trace each attempt begins a new one.
///
/// See the [module's documentation](super) for an example.
#[derive(Debug, Clone)]
pub struct ClientTracePropagationLayer {
    propagator: Propagator,
}

impl ClientTracePropagationLayer {
    /// Makes the layer. Requests outside of any trace begin one by this propagator.
    pub fn new(propagator: Propagator) -> Self {
        Self { propagator }
    }
}

impl<S> Layer<S> for ClientTracePropagationLayer {
    type Service = ClientTracePropagation<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientTracePropagation { inner, propagator: self.propagator.clone() }
    }
}

/// The service that [`ClientTracePropagationLayer`] makes.
#[derive(Debug, Clone)]
pub struct ClientTracePropagation<S> {
    inner: S,
    propagator: Propagator,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ClientTracePropagation<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ClientResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let choice = request.extensions().get::<TraceChoice>().cloned();
        let begin = || self.propagator.start_new_trace();
        let hop = ClientHop::start(&self.propagator, choice, begin, &request);
        if hop.propagates_to(&request) {
            hop.inject(request.headers_mut());
        }
        // Services further in may work before they return their future.
        let future = hop.run(|| self.inner.call(request));
        ClientResponseFuture { future, hop }
    }
}

pin_project! {
    /// The future of [`ClientTracePropagation`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you await or poll them"]
    pub struct ClientResponseFuture<F> {
        #[pin]
        future: F,
        hop: ClientHop,
    }
}

impl<F, B, E> Future for ClientResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let result = ready!(this.hop.run(|| this.future.poll(cx)));
        match &result {
            Ok(response) => this.hop.respond(response.status().as_u16(), response.headers()),
            Err(_) => this.hop.fail("request"),
        }
        Poll::Ready(result)
    }
}
