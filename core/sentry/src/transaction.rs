//! A transaction at the position of a context.

use std::mem::take;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use sentry_core::protocol::{Request, SpanStatus, Value};
use sentry_core::{Hub, TracesSamplingStrategy, TransactionContext, TransactionOrSpan};
use tracehop::wire::SentryTrace;
use tracehop::{PropagationContext, SpanId, SpanPosition};

use crate::SentryRecorder;
use crate::captured;
use crate::described::Described;
use crate::ids::{is_recorded, position_of, sdk_span_id, sdk_trace_id, span_of};
use crate::joined::joined;
use crate::registry::{Entry, Registry};
use crate::scope::HubScope;
use crate::setup::set_decided;
use crate::status::{GRPC_STATUS, grpc_span_status, span_status, unfinished_status};

/// A transaction of the SDK with exactly the trace id, span id, parent and decision of a context.
///
/// Made by [`SentryRecorder::start_transaction`]. It is the span in the scope of a hub, and its
/// [`context`](Self::context) carries the hub: errors that are captured in that context belong to the trace.
///
/// A transaction is sent when it is finished, if the context [sends spans](PropagationContext::sends_spans). One that
/// is dropped is finished as `cancelled`, or as `internal_error` in a panic.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Debug)]
#[must_use = "the transaction ends when this value is dropped"]
pub struct Transaction {
    context: PropagationContext,
    hub: Arc<Hub>,
    /// `None` if the transaction is finished, or if another middleware finishes it.
    own: Option<Own>,
    /// Keeps the position known until the transaction is sent, also if the scope was cleared.
    entry: Arc<Entry>,
}

#[derive(Debug)]
pub(crate) struct Own {
    transaction: sentry_core::Transaction,
    /// The name that this crate set last. The application may have set another one since, with `Scope::set_transaction`.
    last_name: String,
    /// The name if the context has none.
    default_name: String,
}

impl SentryRecorder {
    /// Starts the transaction of a context, and makes it the span of a hub's scope. The hub must be used by this
    /// request or job alone, such as `Hub::new_from_top(Hub::current())`.
    ///
    /// The transaction has the [name of the context](PropagationContext::set_transaction) when it ends, or the given
    /// name if the context has none. `op` is one of Sentry's
    /// [operations](https://develop.sentry.dev/sdk/telemetry/traces/span-operations/), such as `queue.process`.
    ///
    /// If the hub's scope has a span already, another middleware has started a transaction, and none is started here.
    /// The returned [`context`](Transaction::context) is then at the position of that span. The exception is a span
    /// of another context of this recorder, as in a hub that several requests share: the transaction is then started
    /// with a [hub](Transaction::hub) of its own.
    pub fn start_transaction(
        &self,
        context: &PropagationContext,
        hub: Arc<Hub>,
        name: &str,
        op: &str,
    ) -> Transaction {
        let hub = match span_of(&hub) {
            Some(span) if is_of_other_context(self.registry(), &span, context) => {
                Arc::new(hub_without_span(&hub))
            }
            Some(span) => {
                if let Some(context) = joined(context, &hub, &span) {
                    return self.transaction(context, hub, span, None);
                }
                hub
            }
            None => hub,
        };
        self.start_own(context, hub, name, op, None)
    }

    /// Starts a transaction, whose parent may be a span of a middleware further out.
    pub(crate) fn start_own(
        &self,
        context: &PropagationContext,
        hub: Arc<Hub>,
        name: &str,
        op: &str,
        parent: Option<SpanId>,
    ) -> Transaction {
        let (context, own) = Own::start(context, &hub, name, op, parent);
        let span = own.transaction.clone().into();
        self.transaction(context, hub, span, Some(own))
    }

    /// Puts a span into a hub's scope.
    pub(crate) fn transaction(
        &self,
        context: PropagationContext,
        hub: Arc<Hub>,
        span: TransactionOrSpan,
        own: Option<Own>,
    ) -> Transaction {
        let entry = self.registry().add(&context, span.clone());
        let of_scope = AssertUnwindSafe(Arc::clone(&entry));
        hub.configure_scope(|scope| {
            scope.set_span(Some(span));
            if let Some(own) = &own {
                scope.set_transaction(Some(&own.last_name));
            }
            // The entry lives as long as the scope, with which an error may still be captured.
            scope.add_event_processor(move |mut event| {
                // The hub of a later request, in another trace, may have a copy of this scope.
                if of_scope.is_trace_of(&event) {
                    captured::note(event.event_id, &of_scope);
                    if event.request.is_none() {
                        event.request = of_scope.request().cloned();
                    }
                }
                Some(event)
            });
        });
        let scope = HubScope::new(Arc::clone(&hub), Arc::clone(&entry));
        Transaction { context: context.with_scope(Arc::new(scope)), hub, own, entry }
    }
}

/// Whether a span is the transaction of another context, or within it.
pub(crate) fn is_of_other_context(
    registry: &Registry,
    span: &TransactionOrSpan,
    context: &PropagationContext,
) -> bool {
    let trace = span.get_trace_context();
    trace.span_id != sdk_span_id(context.span_id())
        && registry.get(trace.trace_id, trace.span_id).is_some()
}

/// Returns a copy of a hub without a span.
pub(crate) fn hub_without_span(hub: &Arc<Hub>) -> Hub {
    let hub = Hub::new_from_top(hub);
    hub.configure_scope(|scope| scope.set_span(None));
    hub
}

impl Transaction {
    /// Returns the context at the position of the transaction, which carries the hub. Hand on this context.
    pub fn context(&self) -> &PropagationContext {
        &self.context
    }

    /// Returns the hub whose scope has the transaction.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Whether this recorder started the transaction, and not another middleware.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Sets data of the transaction, if the recorder [started it](Self::is_own).
    pub fn set_data(&self, name: &str, value: impl Into<Value>) {
        if let Some(own) = &self.own {
            own.transaction.set_data(name, value.into());
        }
    }

    /// Sets the request of the transaction, and of errors without a request, if the recorder [started
    /// it](Self::is_own).
    pub fn set_request(&self, request: Request) {
        if let Some(own) = &self.own {
            own.transaction.set_request(request.clone());
            self.entry.set_request(request);
        }
    }

    /// Sets what the request is described from: for errors, and for the transaction if the recorder started it.
    pub(crate) fn describe(&self, described: Described) {
        if let Some(own) = &self.own
            && is_recorded(self.entry.span())
        {
            own.transaction.set_request(described.request());
        }
        self.entry.describe(described);
    }

    /// Sets the [origin](https://develop.sentry.dev/sdk/telemetry/traces/trace-origin/) of the transaction, if the
    /// recorder [started it](Self::is_own).
    pub fn set_origin(&self, origin: &str) {
        if let Some(own) = &self.own {
            own.transaction.set_origin(origin);
        }
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// Sets the name that the transaction has if its context has none.
    pub(crate) fn set_default_name(&mut self, name: String) {
        if let Some(own) = &mut self.own {
            own.default_name = name;
            own.rename(&self.context);
        }
    }

    /// Ends the transaction, if the recorder [started it](Self::is_own).
    pub fn finish(mut self, status: SpanStatus) {
        self.end(status);
    }

    /// Ends the transaction with the [status](span_status) of its response, if the recorder [started it](Self::is_own).
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
        if let Some(mut own) = take(&mut self.own) {
            own.rename(&self.context);
            own.transaction.set_status(status);
            // Tags and user of a transaction are those of the current hub's scope.
            Hub::run(Arc::clone(&self.hub), || own.transaction.finish());
            self.entry.finish();
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.end(unfinished_status());
    }
}

fn has_sampler(hub: &Hub) -> bool {
    hub.client().is_some_and(|client| {
        matches!(client.options().traces_sampling_strategy, TracesSamplingStrategy::Function(_))
    })
}

impl Own {
    /// Starts a transaction, and returns the context with the decision that the SDK made.
    fn start(
        context: &PropagationContext,
        hub: &Hub,
        name: &str,
        op: &str,
        parent: Option<SpanId>,
    ) -> (PropagationContext, Self) {
        let SpanPosition { sentry_trace, parent_span_id, sample_rate, .. } =
            context.provisional_position();
        let parent_span_id = parent.or(parent_span_id);
        let SentryTrace { trace_id, span_id, sampled, .. } = sentry_trace;
        let name = context.transaction().map_or_else(|| name.to_owned(), Into::into);
        let mut details = TransactionContext::new_with_details(
            &name,
            op,
            sdk_trace_id(trace_id),
            Some(sdk_span_id(span_id)),
            parent_span_id.map(sdk_span_id),
        );
        details.set_sampled(sampled);
        if let Some(sampled) = sampled.filter(|_| has_sampler(hub)) {
            set_decided(&mut details, sampled);
        }
        let transaction = if context.records_spans() {
            hub.start_transaction(details)
        } else {
            // Without a client the transaction is never sent, and errors have its ids all the same.
            Hub::new(None, Arc::default()).start_transaction(details)
        };
        // A sampler of the SDK decides last. The decision that is handed on is the one that is recorded.
        let decided = if sampled.is_some() && !has_sampler(hub) {
            sampled
        } else {
            position_of(&transaction.clone().into()).and_then(|position| position.sampled)
        };
        let mut position = SpanPosition::new(SentryTrace::new(trace_id, span_id, decided));
        position.parent_span_id = parent_span_id;
        position.sample_rate = sample_rate.filter(|_| decided == sampled);
        let own = Self { transaction, last_name: name.clone(), default_name: name };
        (context.at_span(position), own)
    }

    /// Passes a new name to the SDK. A name that the application gave to the SDK after the last one stays.
    fn rename(&mut self, context: &PropagationContext) {
        let name = context.transaction();
        let name = name.as_deref().unwrap_or(&self.default_name);
        if name != self.last_name {
            self.transaction.set_name(name);
            self.last_name = name.to_owned();
        }
    }
}
