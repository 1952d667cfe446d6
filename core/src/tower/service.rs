use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::TracedBody;
use super::future::ResponseFuture;
use super::layer::TracePropagationLayer;
use crate::context::PropagationContext;
use crate::hop::{HttpRequest, InHop, ServerHop};

/// The service that [`TracePropagationLayer`] makes.
#[derive(Debug, Clone)]
pub struct TracePropagation<S> {
    pub(super) inner: S,
    pub(super) settings: TracePropagationLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TracePropagation<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<TracedBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let TracePropagationLayer { propagator, route, peer, server_timing } = &self.settings;
        let (mut parts, body) = request.into_parts();
        let known = parts.extensions.get::<PropagationContext>().cloned();
        let incoming = HttpRequest::new(&parts, *route).with_peer(*peer);
        let hop = ServerHop::start(propagator, known, &parts.headers, &incoming);
        if hop.needs_position_in_request() {
            hop.inject_position(&mut parts.headers);
        }
        parts.extensions.insert(hop.context().clone());
        hop.extend(&mut parts.extensions);
        // Services further in may work before they return their future.
        let future = hop.run(|| self.inner.call(Request::from_parts(parts, body)));
        ResponseFuture { future: InHop::new(future, hop), server_timing: *server_timing }
    }
}
