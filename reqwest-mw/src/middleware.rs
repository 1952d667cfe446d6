use std::borrow::Cow;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tracehop::hop::{ClientHop, TraceChoice};
use tracehop::recorder::OutgoingRequest;
use tracehop::{Field, PropagationContext, Propagator};

use crate::redirect::carrying;

/// Middleware that writes the trace into the headers of each request.
///
/// The trace is the first of these:
///
/// * the one that the request was [given](crate::RequestBuilderExt::with_trace),
/// * the [current](PropagationContext::current) one,
/// * that of a recorder's environment, such as the hub of Sentry's SDK,
/// * a new one that this propagator starts.
///
/// The request's URL must be a target for this propagator, and also for the propagator that made the trace, if that is
/// another: a client with targets keeps to them.
///
/// A [recorder](tracehop::PropagatorBuilder::recorder) of the propagator, and with the feature `tracing` a
/// [log span](tracehop#log-spans), record the request. See the [crate's documentation](crate).
#[derive(Debug, Clone)]
pub struct TracePropagation {
    propagator: Propagator,
}

/// The trace that was started for a request, kept so that its retries are in the same trace.
#[derive(Debug, Clone)]
struct Begun(PropagationContext);

impl TracePropagation {
    /// Makes the middleware. Requests outside of any trace start one with this propagator.
    pub fn new(propagator: Propagator) -> Self {
        Self { propagator }
    }
}

/// A request as the kit sees it.
struct Outgoing<'r>(&'r Request);

impl OutgoingRequest for Outgoing<'_> {
    fn method(&self) -> &str {
        self.0.method().as_str()
    }

    fn url(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0.url().as_str())
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
        let choice = extensions.get::<TraceChoice>().cloned();
        let begin = || {
            let begun = || Begun(self.propagator.start_new_trace());
            extensions.get_or_insert_with(begun).0.clone()
        };
        let hop = ClientHop::start(&self.propagator, choice, begin, &Outgoing(&request));
        let had_headers =
            Field::ALL.iter().any(|field| request.headers().contains_key(field.name()));
        let carried = if hop.propagates_to(request.url()) {
            hop.inject(request.headers_mut());
            hop.carried_trace()
        } else {
            None
        };
        let url = request.url().clone();
        let result =
            hop.around(carrying(url, had_headers, carried, next.run(request, extensions))).await;
        match &result {
            Ok(response) => hop.respond(response.status().as_u16(), response.headers()),
            Err(error) => hop.fail(kind(error)),
        }
        result
    }
}

/// Returns the kind of an error, for recorders. The error's text may have the whole URL, or secrets of other middleware.
fn kind(error: &Error) -> &'static str {
    let Error::Reqwest(error) = error else { return "middleware" };
    #[cfg(not(target_arch = "wasm32"))]
    let is_connect = error.is_connect();
    #[cfg(target_arch = "wasm32")]
    let is_connect = false;
    [
        (error.is_timeout(), "timeout"),
        (is_connect, "connect"),
        (error.is_redirect(), "redirect"),
        (error.is_body(), "body"),
        (error.is_decode(), "decode"),
        (error.is_builder(), "builder"),
        (error.is_status(), "status"),
    ]
    .into_iter()
    .find_map(|(is, kind)| is.then_some(kind))
    .unwrap_or("request")
}
