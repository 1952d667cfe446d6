//! A span below a transaction, whose id the next service gets as its parent.

use std::mem::take;
use std::sync::Arc;
use std::time::SystemTime;

use sentry_core::protocol::{SpanStatus, Value};
use sentry_core::{Hub, Span, TransactionOrSpan};
use tracehop::hop::{known_method, redact_url, server_address};
use tracehop::{PropagationContext, SpanId};

use crate::ids::{is_of_middleware, is_recorded, position_of, sdk_span_id, sdk_trace_id, span_of};
use crate::registry::Registry;
use crate::scope::HubScope;
use crate::status::{GRPC_STATUS, grpc_span_status, span_status, unfinished_status};
use crate::url_limit::cut;

/// A span of the SDK, and the context at its position: the next service sees the span as its parent.
///
/// A span that is dropped is finished as `cancelled`, or as `internal_error` in a panic.
///
/// ```
/// use std::collections::HashMap;
///
/// use sentry::protocol::SpanStatus;
/// use tracehop::{PropagationContext, SpanId};
/// use tracehop_sentry::ChildSpan;
///
/// fn publish(context: &PropagationContext) -> HashMap<String, String> {
///     let span = ChildSpan::start(context, "queue.publish", "orders");
///     let mut metadata = HashMap::new();
///     let context = span.as_ref().map_or(context, ChildSpan::context);
///     context.inject(&mut metadata);
///     if let Some(span) = span {
///         span.finish(SpanStatus::Ok);
///     }
///     metadata
/// }
/// # let context = tracehop::Propagator::builder().build().unwrap().start_new_trace();
/// # assert_eq!(publish(&context)["sentry-trace"], context.trace_data().sentry_trace());
/// ```
#[derive(Debug)]
#[must_use = "the span ends when this value is dropped"]
pub struct ChildSpan {
    /// `None` if it is finished.
    span: Option<Span>,
    context: PropagationContext,
}

impl ChildSpan {
    /// Starts a span in the trace of a context.
    ///
    /// The parent is the span of the current hub. If the hub has none, the parent is the
    /// [transaction](crate::Transaction) that the context carries. A span of the SDK's `tracing` layer or middleware
    /// counts only if this crate knows its transaction.
    ///
    /// Returns `None` if the span would not be recorded: the parent does not exist, is not sampled, is finished or has
    /// 1000 spans, or the hub has a span of another trace. Then hand on the context itself. Only a context that carries
    /// the transaction knows that it is finished: use [`Transaction::context`](crate::Transaction::context), or the
    /// current context of a handler.
    pub fn start(context: &PropagationContext, op: &str, description: &str) -> Option<Self> {
        Some(Self::start_below(Parent::of(context, None)?, context, op, description))
    }

    /// Starts the span of an outgoing request, an `http.client`, by Sentry's
    /// [conventions](https://getsentry.github.io/sentry-conventions/).
    pub(crate) fn http_client(
        context: &PropagationContext,
        registry: &Arc<Registry>,
        method: &str,
        url: &str,
    ) -> Option<Self> {
        let parent = Parent::of(context, Some(registry))?;
        let redacted = redact_url(url);
        let (method, redacted) = (known_method(method), cut(&redacted));
        let description = [method, " ", redacted].concat();
        let span = Self::start_below(parent, context, "http.client", &description);
        span.set_data("http.request.method", method);
        if let Some((host, port)) = server_address(redacted) {
            span.set_data("server.address", host);
            if let Some(port) = port {
                span.set_data("server.port", port);
            }
        }
        span.set_data("url", redacted);
        Some(span)
    }

    fn start_below(
        parent: Parent,
        context: &PropagationContext,
        op: &str,
        description: &str,
    ) -> Self {
        let context = context.child_of(parent.span_id);
        let id = sdk_span_id(context.span_id());
        let span = parent.span.start_child_with_details(op, description, id, SystemTime::now());
        Self { span: Some(span), context }
    }

    /// Returns the context to hand on.
    pub fn context(&self) -> &PropagationContext {
        &self.context
    }

    /// Sets data of the span.
    pub fn set_data(&self, name: &str, value: impl Into<Value>) {
        if let Some(span) = &self.span {
            span.set_data(name, value.into());
        }
    }

    /// Ends the span.
    pub fn finish(mut self, status: SpanStatus) {
        self.end(status);
    }

    /// Ends the span with the [status](span_status) of its response.
    pub fn finish_with_http_status(self, http_status: u16) {
        self.set_data("http.response.status_code", http_status);
        self.finish(span_status(http_status));
    }

    pub(crate) fn finish_with_grpc_status(self, http_status: u16, code: u8) {
        self.set_data("http.response.status_code", http_status);
        self.set_data(GRPC_STATUS, code);
        self.finish(grpc_span_status(code));
    }

    fn end(&mut self, status: SpanStatus) {
        if let Some(span) = take(&mut self.span) {
            span.set_status(status);
            span.finish();
        }
    }
}

/// The span to start one below.
struct Parent {
    span: TransactionOrSpan,
    span_id: SpanId,
}

impl Parent {
    /// Returns the parent, if a span below it is sent. The SDK does not tell whether a transaction is finished, or has
    /// all the spans that the SDK keeps. We know it of the transactions that we started.
    fn of(context: &PropagationContext, registry: Option<&Arc<Registry>>) -> Option<Self> {
        let scope = HubScope::of(context);
        // The context may carry a transaction of another recorder.
        let registry = scope.map(|scope| scope.entry().registry()).or(registry);
        let trace_id = sdk_trace_id(context.trace_id());
        let of_context = || {
            let entry = scope.map(|scope| Arc::clone(scope.entry()));
            let entry = entry.or_else(|| registry?.at(context))?;
            let span_id = entry.context().span_id();
            Some((Self { span: entry.span().clone(), span_id }, Some(entry)))
        };
        let (parent, entry) = match span_of(&Hub::current()) {
            None => of_context()?,
            // The usual case. To ask the SDK for ids costs more than the rest of this function.
            Some(span) if scope.is_some_and(|scope| *scope.entry().span() == span) => of_context()?,
            Some(span) => {
                let root = span.get_trace_context();
                match registry.and_then(|all| all.get(trace_id, root.span_id)) {
                    // The middleware's transaction may end before the request, and may be in another trace.
                    None if is_of_middleware(&root) => of_context()?,
                    entry => {
                        let position = position_of(&span)?;
                        if position.trace_id != context.trace_id() {
                            return None;
                        }
                        (Self { span, span_id: position.span_id }, entry)
                    }
                }
            }
        };
        if !is_recorded(&parent.span) {
            return None;
        }
        // Past the limit the caller hands on the context itself, whose span is sent.
        let has_place =
            entry.is_none_or(|entry| !entry.is_finished() && entry.take_place_of_span());
        has_place.then_some(parent)
    }
}

impl Drop for ChildSpan {
    fn drop(&mut self) {
        self.end(unfinished_status());
    }
}
