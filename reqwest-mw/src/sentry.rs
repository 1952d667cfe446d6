//! The span of a call.

use reqwest::{Request, Response};
use reqwest_middleware::{Error, Result};
use tracehop::PropagationContext;
use tracehop::sentry::ChildSpan;

use sentry_core::protocol::SpanStatus;

/// A call in a trace, with a span if somebody records it. One that is dropped was cancelled.
#[derive(Debug)]
pub(crate) struct Call {
    context: PropagationContext,
    span: Option<ChildSpan>,
}

impl Call {
    pub(crate) fn start(context: PropagationContext, request: &Request) -> Self {
        let (method, url) = (request.method().as_str(), request.url().as_str());
        let span = ChildSpan::http_client(&context, method, url);
        Self { context, span }
    }

    /// The position to hand on: that of the span, or else of the service, since a span that nobody records would leave
    /// the next service an orphan.
    pub(crate) fn context(&self) -> &PropagationContext {
        self.span.as_ref().map_or(&self.context, ChildSpan::context)
    }

    /// Ends the span with the response's head, or whatever came instead.
    pub(crate) fn end(self, result: &Result<Response>) {
        match (self.span, result) {
            (None, _) => (),
            (Some(span), Ok(response)) => span.finish_with_http_status(response.status().as_u16()),
            (Some(span), Err(Error::Reqwest(error))) if error.is_timeout() => {
                span.finish(SpanStatus::DeadlineExceeded);
            }
            (Some(span), Err(_)) => span.finish(SpanStatus::InternalError),
        }
    }
}
