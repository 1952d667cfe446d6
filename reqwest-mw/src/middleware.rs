use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
use tracehop::{PropagationContext, Propagator};

use crate::request::{Choice, inject};

/// Middleware that puts the trace into the headers of each request.
///
/// Which trace: the one that the request was [told](crate::RequestBuilderExt::with_trace), else the
/// [current](PropagationContext::current) one, else a new one of this propagator's. Whether the request's
/// URL is a target is up to the options that the trace's own context came from.
#[derive(Debug, Clone)]
pub struct TracePropagation {
    propagator: Propagator,
}

impl TracePropagation {
    /// Middleware that begins new traces with this propagator, for requests that are made outside of any.
    pub fn new(propagator: Propagator) -> Self {
        Self { propagator }
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
        match extensions.get::<Choice>() {
            Some(Choice::Without) => {}
            Some(Choice::With(context)) => inject(context, &mut request),
            None => match PropagationContext::current() {
                Some(context) => inject(&context, &mut request),
                None => {
                    let context = self.propagator.start_new_trace();
                    inject(&context, &mut request);
                    // Kept, so that a retry of the request belongs to the same trace.
                    extensions.insert(Choice::With(context));
                }
            },
        }
        next.run(request, extensions).await
    }
}
