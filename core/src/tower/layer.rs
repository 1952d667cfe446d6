use std::net::IpAddr;

use http::request::Parts;
use tower_layer::Layer;

use super::service::TracePropagation;
use crate::propagator::Propagator;

/// Layer that continues the trace of each request, or starts one.
///
/// * The trace is in the request's extensions, as a [`PropagationContext`](crate::PropagationContext), and the
///   [current](crate::PropagationContext::current) one of the inner service and of the body of its response.
/// * A request that passes this layer twice has one trace, if both have the same propagator. With another propagator,
///   such as that of a tenant, the inner one continues the trace by its own options.
/// * A [recorder](crate::PropagatorBuilder::recorder) of the propagator, and with the feature `tracing` a
///   [log span](crate#log-spans), record the request. The recording ends with the body of the response.
/// * Caches [may show](crate::hop::may_be_reused) some pages again without asking, and a trace in such a page is that
///   of all these visits. With the feature `tracing` there is a warning, once for each name of a transaction.
///
/// No header fails a request, and responses and errors of the inner service are passed on.
///
/// Put layers that turn errors or panics into responses, such as tower-http's `CatchPanicLayer`, further in than this
/// layer: the trace then has the status of the response.
///
/// See the [module's documentation](super) for an example.
#[derive(Debug, Clone)]
pub struct TracePropagationLayer {
    pub(super) propagator: Propagator,
    pub(super) route: fn(&Parts) -> Option<&str>,
    pub(super) peer: fn(&Parts) -> Option<IpAddr>,
    pub(super) server_timing: bool,
}

impl TracePropagationLayer {
    /// Makes the layer. Traces are continued by the options of this propagator.
    pub fn new(propagator: Propagator) -> Self {
        Self { propagator, route: |_| None, peer: |_| None, server_timing: false }
    }

    /// Sets how the route of a request is found, by which the transaction is named: `GET /users/{id}`. Without it no
    /// transaction is named.
    ///
    /// The route is a pattern. The path of the URL is arbitrary client input, and must not be returned, unless it is
    /// compared with a list. In axum the route is `MatchedPath`, as in the [module's example](super). A tonic server
    /// has a list of methods:
    ///
    /// ```
    /// use tracehop::Propagator;
    /// use tracehop::tower::TracePropagationLayer;
    ///
    /// const METHODS: [&str; 2] = ["/shop.Stock/Count", "/shop.Stock/Watch"];
    ///
    /// let layer = TracePropagationLayer::new(Propagator::builder().build()?)
    ///     .route(|request| METHODS.into_iter().find(|method| *method == request.uri.path()));
    /// # let _ = layer;
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    #[must_use]
    pub fn route(mut self, route: fn(&Parts) -> Option<&str>) -> Self {
        self.route = route;
        self
    }

    /// Sets how the address of the peer is found, for a [policy](crate::PropagatorBuilder::trust_incoming) and for
    /// recorders. Without it the peer is unknown.
    ///
    /// In axum the address is in `ConnectInfo`:
    /// `layer.peer(|request| Some(request.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip()))`.
    #[must_use]
    pub fn peer(mut self, peer: fn(&Parts) -> Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// Sets whether HTML responses get a [`Server-Timing`](https://www.w3.org/TR/server-timing/) header with the
    /// trace. Off by default.
    ///
    /// The header has the `sentry-` members of the request's `baggage`, up to 8192 bytes. A proxy in front must accept
    /// response headers of that size.
    ///
    /// The browser SDK continues the trace from it if the page has no meta tags, as a static file has none. A
    /// response that caches [may show](crate::hop::may_be_reused) again without asking gets none, because all these
    /// visits would share one trace. A 304 without a `Content-Type` gets one as well: it renews a page that the
    /// browser keeps. A `Cache-Control` that a layer further out sets comes too late for this.
    #[must_use]
    pub fn server_timing(mut self, server_timing: bool) -> Self {
        self.server_timing = server_timing;
        self
    }
}

impl<S> Layer<S> for TracePropagationLayer {
    type Service = TracePropagation<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TracePropagation { inner, settings: self.clone() }
    }
}
