use reqwest::Request;
use reqwest_middleware::RequestBuilder;
use tracehop::PropagationContext;
use tracehop::hop::TraceChoice;

/// Chooses the trace of a single request.
///
/// Has an effect only in a client with the middleware [`TracePropagation`](crate::TracePropagation), and only for
/// `send`. A request that is built, by `build` or `build_split`, has no extensions: give the choice to
/// [`execute_with_extensions`](reqwest_middleware::ClientWithMiddleware::execute_with_extensions).
///
/// ```
/// # use tracehop_reqwest::tracehop::Propagator;
/// use tracehop_reqwest::{RequestBuilderExt as _, TracePropagation};
///
/// # let propagator = Propagator::builder().build()?;
/// # let job = propagator.start_new_trace();
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
///     .with(TracePropagation::new(propagator))
///     .build();
/// let given = client.get("https://api.example.com/stock").with_trace(&job);
/// let without = client.get("https://api.example.com/stock").without_trace();
///
/// # async {
/// use tracehop_reqwest::TraceChoice;
///
/// let request = client.get("https://api.example.com/stock").build()?;
/// let mut extensions = http::Extensions::new();
/// extensions.insert(TraceChoice::Without); // or `TraceChoice::Given(job)`
/// client.execute_with_extensions(request, &mut extensions).await?;
/// # Ok::<(), reqwest_middleware::Error>(())
/// # };
/// # Ok::<(), tracehop_reqwest::tracehop::BuildError>(())
/// ```
pub trait RequestBuilderExt: sealed::Sealed {
    /// Sends the request with this trace instead of the current one.
    #[must_use]
    fn with_trace(self, context: &PropagationContext) -> Self;

    /// Sends the request without a trace.
    #[must_use]
    fn without_trace(self) -> Self;
}

impl RequestBuilderExt for RequestBuilder {
    fn with_trace(self, context: &PropagationContext) -> Self {
        self.with_extension(TraceChoice::Given(context.clone()))
    }

    fn without_trace(self) -> Self {
        self.with_extension(TraceChoice::Without)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for reqwest_middleware::RequestBuilder {}
}

/// Writes a trace into the headers of a request, for a client without middleware.
///
/// Works as [`PropagationContext::inject_to`] with the request's URL. A redirect takes the headers along to any
/// URL. To keep them to the targets, turn the client's redirects off, or give it a
/// [`redirect_policy`](crate::redirect_policy) of the same propagator.
///
/// ```
/// use reqwest::{Method, Request};
/// # use tracehop_reqwest::tracehop::Propagator;
///
/// # let trace = Propagator::builder().build()?.start_new_trace();
/// let mut request = Request::new(Method::GET, "https://api.example.com/".parse()?);
/// tracehop_reqwest::inject(&trace, &mut request);
/// assert_eq!(request.headers()["sentry-trace"], trace.trace_data().sentry_trace());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inject(context: &PropagationContext, request: &mut Request) {
    // Not `inject_to`, because the URL and the headers of a request cannot be borrowed at the same time.
    if context.propagates_to(request.url()) {
        context.inject(request.headers_mut());
    }
}
