use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
use tracehop::{PropagationContext, Propagator};

use crate::request::{Choice, inject};

/// Middleware that puts the trace into the headers of each request.
///
/// Which trace: the one that the request was [told](crate::RequestBuilderExt::with_trace), else the
/// [current](PropagationContext::current) one, else a new one of this propagator's.
///
/// The request's URL must be a [target](tracehop::Propagator::is_target) for this propagator, and for the one
/// that the trace came from if that is another: a client that was given targets keeps to them.
#[derive(Debug, Clone)]
pub struct TracePropagation {
    propagator: Propagator,
}

impl TracePropagation {
    /// Middleware that begins new traces with this propagator, for requests that are made outside of any.
    pub fn new(propagator: Propagator) -> Self {
        Self { propagator }
    }

    fn inject(&self, request: &mut Request, extensions: &mut Extensions) {
        match extensions.get::<Choice>() {
            Some(Choice::Without) => {}
            Some(Choice::With(context)) => inject(context, request),
            None => match PropagationContext::current() {
                Some(context) => inject(&context, request),
                None => {
                    let context = self.propagator.start_new_trace();
                    inject(&context, request);
                    // Kept, so that a retry of the request belongs to the same trace.
                    extensions.insert(Choice::With(context));
                }
            },
        }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait::async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait::async_trait(?Send))]
impl Middleware for TracePropagation {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        if self.propagator.is_target(request.url()) {
            self.inject(&mut request, extensions);
        }
        next.run(request, extensions).await
    }
}
