//! A span below a transaction, whose id goes out.

use std::cell::LazyCell;
use std::mem::take;
use std::time::SystemTime;

use sentry_core::protocol::{SpanStatus, Value};
use sentry_core::{Hub, Span, TransactionOrSpan};

use crate::authority::Authority;
use crate::context::PropagationContext;
use crate::url::without_secrets;

use super::ids::{is_recorded, position_of, span_of};
use super::status::{span_status, unfinished_status};

/// A span of the SDK's, and the context at its position: whom that is handed on to has the span as the parent.
///
/// One that is dropped is finished as `cancelled`.
///
/// ```
/// use std::collections::HashMap;
///
/// use sentry::protocol::SpanStatus;
/// use tracehop::PropagationContext;
/// use tracehop::sentry::ChildSpan;
///
/// fn publish(context: &PropagationContext) -> HashMap<String, String> {
///     let span = ChildSpan::start(context, "queue.publish", "orders");
///     let mut metadata = HashMap::new();
///     let context = span.as_ref().map_or(context, ChildSpan::context);
///     context.inject_always(&mut metadata);
///     if let Some(span) = span {
///         span.finish(SpanStatus::Ok);
///     }
///     metadata
/// }
/// # let context = tracehop::Propagator::builder().build().unwrap().start_new_trace();
/// # assert_eq!(publish(&context)["sentry-trace"], context.trace_data().sentry_trace());
/// ```
#[derive(Debug)]
#[must_use = "the span is as long as this lives"]
pub struct ChildSpan {
    /// `None`: finished.
    span: Option<Span>,
    context: PropagationContext,
}

impl ChildSpan {
    /// Starts a span below the one of the current hub, or, where no span is bound, below the context's
    /// [transaction](super::Transaction).
    ///
    /// `None` if nobody would record it, and the context itself is what to hand on: there is no such transaction, or
    /// it is not sampled, or finished, or the hub has a span of another trace than the context's.
    pub fn start(context: &PropagationContext, op: &str, description: &str) -> Option<Self> {
        Self::start_described(context, op, || description)
    }

    /// Asks for the description only where somebody records it: calls are made in every trace, sampled or not.
    fn start_described<D: AsRef<str>>(
        context: &PropagationContext,
        op: &str,
        description: impl FnOnce() -> D,
    ) -> Option<Self> {
        let parent = parent_of(context)?;
        let position = position_of(&parent)?;
        if position.trace_id != context.trace_id() || !is_recorded(&parent) {
            return None;
        }
        let context = context.below(position.span_id);
        let (id, description) = (context.span_id().into(), description());
        let span = parent.start_child_with_details(op, description.as_ref(), id, SystemTime::now());
        Some(Self { span: Some(span), context })
    }

    /// Starts a span for a request to a service, an `http.client`, by Sentry's
    /// [conventions](https://getsentry.github.io/sentry-conventions/). Of the URL, which is absolute, it says what
    /// [may be told](crate::without_secrets).
    ///
    /// Otherwise as [`start`](Self::start).
    pub fn http_client(context: &PropagationContext, method: &str, url: &str) -> Option<Self> {
        let url = LazyCell::new(|| without_secrets(url));
        let span = Self::start_described(context, "http.client", || [method, " ", &url].concat())?;
        span.set_data("http.request.method", method);
        if let Some((authority, _)) = Authority::split(&url) {
            span.set_data("server.address", authority.host);
            if let Some(port) = authority.port {
                span.set_data("server.port", port);
            }
        }
        span.set_data("url", &**url);
        Some(span)
    }

    /// The position to hand on.
    pub fn context(&self) -> &PropagationContext {
        &self.context
    }

    /// Adds to what the span says.
    pub fn set_data(&self, name: &str, value: impl Into<Value>) {
        if let Some(span) = &self.span {
            span.set_data(name, value.into());
        }
    }

    /// Ends the span.
    pub fn finish(mut self, status: SpanStatus) {
        self.end(status);
    }

    /// Ends the span as the status code of a response [says](super::span_status).
    pub fn finish_with_http_status(self, http_status: u16) {
        self.set_data("http.response.status_code", http_status);
        self.finish(span_status(http_status));
    }

    fn end(&mut self, status: SpanStatus) {
        if let Some(span) = take(&mut self.span) {
            span.set_status(status);
            span.finish();
        }
    }
}

/// The span to start one below, unless its transaction is finished. That only we know, and only of those that we
/// began.
fn parent_of(context: &PropagationContext) -> Option<TransactionOrSpan> {
    let running = &context.options().running;
    let (span, entry) = match span_of(&Hub::current()) {
        Some(span) => {
            let transaction = span.get_trace_context().span_id.try_into().ok()?;
            (span, running.get(context.trace_id(), transaction))
        }
        None => {
            let entry = running.get(context.trace_id(), context.span_id())?;
            (entry.span(), Some(entry))
        }
    };
    let is_finished = entry.is_some_and(|entry| entry.is_finished());
    (!is_finished).then_some(span)
}

impl Drop for ChildSpan {
    fn drop(&mut self) {
        self.end(unfinished_status());
    }
}
