use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
use tracehop::{PropagationContext, Propagator};

use crate::redirect::{Carried, carrying};
use crate::request::Choice;
use crate::sentry::Call;
use crate::span::CallSpan;

/// Middleware that puts the trace into the headers of each request.
///
/// Which trace: the one that the request was [told](crate::RequestBuilderExt::with_trace), else the
/// [current](PropagationContext::current) one, else a new one of this propagator's.
///
/// The request's URL must be a target for this propagator, and for the one that the trace came from if that is
/// another: a client that was given targets keeps to them.
///
/// With the feature `tracing` all that is logged meanwhile is in a [span](crate#logs).
/// With the feature `sentry` each request is a span of Sentry's SDK, below the transaction of the trace, and its span id
/// is what the called service gets as its parent. See the [crate's documentation](crate).
#[derive(Debug, Clone)]
pub struct TracePropagation {
    propagator: Propagator,
}

/// The trace that was begun for a request, kept so that a retry of it belongs to the same.
#[derive(Debug, Clone)]
struct Begun(PropagationContext);

impl TracePropagation {
    /// Middleware that begins new traces with this propagator, for requests that are made outside of any.
    pub fn new(propagator: Propagator) -> Self {
        Self { propagator }
    }

    /// The trace that a request belongs to, if to any.
    fn context(&self, extensions: &mut Extensions) -> Option<PropagationContext> {
        match extensions.get::<Choice>() {
            Some(Choice::With(context)) => Some(context.clone()),
            Some(Choice::Without) => None,
            None => Some(PropagationContext::current().unwrap_or_else(|| {
                let begin = || Begun(self.propagator.start_new_trace());
                extensions.get_or_insert_with(begin).0.clone()
            })),
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
        let call = self.context(extensions).map(|context| Call::start(context, &request));
        let context = call.as_ref().map(Call::context);
        let span = CallSpan::open(context, &request);
        let context =
            context.filter(|context| self.propagator.propagates_to(context, request.url()));
        if let Some(context) = context {
            span.in_scope(|| context.inject_always(request.headers_mut()));
        }
        let carried = context.and_then(|context| Carried::new(&self.propagator, context));
        let result = span.around(carrying(carried, next.run(request, extensions))).await;
        if let Some(call) = call {
            call.end(&result);
        }
        result
    }
}
