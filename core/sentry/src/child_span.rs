//! A span below a transaction, whose id goes out.

use std::mem::take;
use std::sync::Arc;
use std::time::SystemTime;

use sentry_core::protocol::{SpanStatus, Value};
use sentry_core::{Hub, Span, TransactionOrSpan};
use tracehop::hop::{known_method, redact_url};
use tracehop::{PropagationContext, SpanId};
use url::Url;

use crate::ids::{is_of_middleware, is_recorded, position_of, sdk_span_id, span_id, span_of};
use crate::registry::{Entry, Registry};
use crate::scope::HubScope;
use crate::status::{span_status, unfinished_status};
use crate::url_limit::cut;

/// A span of the SDK, and the context at its position: the next service sees the span as its parent.
///
/// A span that is dropped is finished as `cancelled`.
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
    /// Starts a span below the one of the current hub, or, where the hub has none, below the
    /// [transaction](crate::Transaction) that the context carries.
    ///
    /// Returns `None` if the span would not be recorded: there is no such transaction, it is not sampled or is
    /// finished, or the hub has a span of another trace. Then hand on the context itself. Only a context that carries
    /// the transaction knows that it is finished: use [`Transaction::context`](crate::Transaction::context), or the
    /// current context of a handler.
    pub fn start(context: &PropagationContext, op: &str, description: &str) -> Option<Self> {
        Self::start_described(context, None, op, || description.to_owned())
    }

    /// Starts the span of an outgoing request, an `http.client`, by Sentry's
    /// [conventions](https://getsentry.github.io/sentry-conventions/).
    pub(crate) fn http_client(
        context: &PropagationContext,
        registry: &Arc<Registry>,
        method: &str,
        url: &str,
    ) -> Option<Self> {
        let redacted = redact_url(url);
        let (method, redacted) = (known_method(method), cut(&redacted));
        let description = || [method, " ", redacted].concat();
        let span = Self::start_described(context, Some(registry), "http.client", description)?;
        span.set_data("http.request.method", method);
        if let Ok(parsed) = Url::parse(redacted) {
            if let Some(host) = parsed.host_str() {
                span.set_data("server.address", host);
            }
            if let Some(port) = parsed.port_or_known_default() {
                span.set_data("server.port", port);
            }
        }
        span.set_data("url", redacted);
        Some(span)
    }

    /// The description is made only where the span is recorded.
    fn start_described(
        context: &PropagationContext,
        registry: Option<&Arc<Registry>>,
        op: &str,
        description: impl FnOnce() -> String,
    ) -> Option<Self> {
        let (parent, entry) = parent_of(context, registry)?;
        let position = position_of(&parent)?;
        if position.trace_id != context.trace_id() || !is_recorded(&parent) {
            return None;
        }
        // The SDK drops spans that are too many. Then the context itself is handed on, whose span exists.
        if !entry.is_none_or(|entry| entry.take_place_of_span()) {
            return None;
        }
        let context = context.child_of(position.span_id);
        let id = sdk_span_id(context.span_id());
        let span = parent.start_child_with_details(op, &description(), id, SystemTime::now());
        Some(Self { span: Some(span), context })
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

    fn end(&mut self, status: SpanStatus) {
        if let Some(span) = take(&mut self.span) {
            span.set_status(status);
            span.finish();
        }
    }
}

/// Returns the span to start one below, unless its transaction is finished. The SDK does not tell that; we know it of
/// the transactions that we started.
fn parent_of(
    context: &PropagationContext,
    registry: Option<&Arc<Registry>>,
) -> Option<(TransactionOrSpan, Option<Arc<Entry>>)> {
    // The transaction may be one of another recorder.
    let registry = HubScope::of(context).map(|scope| scope.entry().registry()).or(registry);
    let find = |span_id| registry.and_then(|all| all.get(context.trace_id(), span_id));
    let current = span_of(&Hub::current()).map(|span| {
        let root = span.get_trace_context();
        let entry = span_id(root.span_id).and_then(find);
        (span, entry, root)
    });
    let (span, entry) = match current {
        // Its transaction may end before the request does, and another trace may be its own.
        Some((_, None, root)) if is_of_middleware(&root) => of_context(find, context)?,
        Some((span, entry, _)) => (span, entry),
        None => of_context(find, context)?,
    };
    let is_finished = entry.as_ref().is_some_and(|entry| entry.is_finished());
    (!is_finished).then_some((span, entry))
}

fn of_context(
    find: impl Fn(SpanId) -> Option<Arc<Entry>>,
    context: &PropagationContext,
) -> Option<(TransactionOrSpan, Option<Arc<Entry>>)> {
    let entry = find(context.span_id())?;
    Some((entry.span().clone(), Some(entry)))
}

impl Drop for ChildSpan {
    fn drop(&mut self) {
        self.end(unfinished_status());
    }
}
