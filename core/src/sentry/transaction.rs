//! A transaction at the position of a context.

use std::mem::take;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use sentry_core::protocol::{Request, SpanStatus, Value};
use sentry_core::{Hub, TransactionContext};

use crate::context::PropagationContext;
use crate::decision::Decision;
use crate::method;

use super::ids::{position_of, span_of};
use super::joined::joined;
use super::running::{Entry, Running};
use super::status::{span_status, unfinished_status};

/// A transaction of the SDK's with exactly the trace id, span id, parent and decision of a context.
///
/// It is the span of a hub's scope: what is captured with that hub belongs to the trace. Bind it to a future with
/// the SDK's `bind_hub`, or call a function in `Hub::run`.
///
/// A transaction is sent when it is finished, if the context [sends spans](PropagationContext::sends_spans). One that
/// is dropped is finished as `cancelled`, or as `internal_error` in a panic.
///
/// See the [module's documentation](super) for an example.
#[derive(Debug)]
#[must_use = "the transaction is as long as this lives"]
pub struct Transaction {
    context: PropagationContext,
    hub: Arc<Hub>,
    /// `None`: finished, or somebody else's to finish.
    transaction: Option<Own>,
    /// Keeps the trace known until the transaction is sent, also where the scope was cleared.
    entry: Arc<Entry>,
}

/// Whether the span of a hub's scope is, or is within, the transaction of some other context.
fn has_span_of_another(hub: &Hub, context: &PropagationContext) -> bool {
    span_of(hub).is_some_and(|span| {
        let trace = span.get_trace_context();
        let (trace_id, span_id) = (trace.trace_id.try_into(), trace.span_id.try_into());
        match (trace_id, span_id) {
            (Ok(trace_id), Ok(span_id)) => {
                span_id != context.span_id()
                    && context.options().running.get(trace_id, span_id).is_some()
            }
            // That of nobody here: our ids are never all zero.
            _ => false,
        }
    })
}

fn without_span(hub: &Arc<Hub>) -> Arc<Hub> {
    let hub = Hub::new_from_top(hub);
    hub.configure_scope(|scope| scope.set_span(None));
    Arc::new(hub)
}

#[derive(Debug)]
struct Own {
    transaction: sentry_core::Transaction,
    name: String,
}

impl Transaction {
    /// Starts the transaction of a context, and makes it the span of a hub's scope. The hub must be of this request
    /// or job alone, such as `Hub::new_from_top(Hub::current())`.
    ///
    /// The transaction is named as the context is, when it starts and again when it ends, and by the given name as
    /// long as [that has none](PropagationContext::set_transaction). `op` is one of Sentry's
    /// [operations](https://develop.sentry.dev/sdk/telemetry/traces/span-operations/), such as `http.server`.
    ///
    /// If the hub's scope has a span already, somebody else began a transaction, and none is started: this service's
    /// position is where that is, and [`context`](Self::context) is another than the given one. Only if that was begun
    /// here too, for another context of the propagator's, the two have nothing to do with each other, as in a hub that
    /// several requests share: the transaction is then started, with a [hub](Self::hub) of its own.
    pub fn start(context: &PropagationContext, hub: Arc<Hub>, name: &str, op: &str) -> Self {
        let hub = if has_span_of_another(&hub, context) { without_span(&hub) } else { hub };
        let running = span_of(&hub).and_then(|span| Some((joined(context, &hub, &span)?, span)));
        let (context, span, transaction) = match running {
            Some((context, span)) => (context, span, None),
            None => {
                let own = Own::start(context, &hub, name, op);
                (context.clone(), own.transaction.clone().into(), Some(own))
            }
        };
        let entry = Running::add(&context, span.clone());
        let kept = AssertUnwindSafe(Arc::clone(&entry));
        hub.configure_scope(|scope| {
            if let Some(own) = &transaction {
                scope.set_span(Some(span));
                scope.set_transaction(Some(&own.name));
            }
            // Not for what it does: it lives as long as the scope, with which others may yet capture an error.
            scope.add_event_processor(move |event| {
                let _ = &kept;
                Some(event)
            });
        });
        Self { context, hub, transaction, entry }
    }

    /// Starts the transaction of a request that was received, an `http.server`, named by its method and the pattern
    /// of its route if that is known.
    ///
    /// Otherwise as [`start`](Self::start).
    pub fn http_server(
        context: &PropagationContext,
        hub: Arc<Hub>,
        method: &str,
        route: Option<&str>,
    ) -> Self {
        if let (None, Some(route)) = (context.transaction(), route) {
            context.set_route(method, route);
        }
        // Any other method is free text of the client's.
        let name = method::find(method).unwrap_or("HTTP");
        let transaction = Self::start(context, hub, name, "http.server");
        transaction.set_data("http.request.method", method);
        transaction
    }

    /// Whether a context has a transaction that was started here, and not dropped with its hub.
    pub fn is_running(context: &PropagationContext) -> bool {
        context.options().running.get(context.trace_id(), context.span_id()).is_some()
    }

    /// The position of the transaction, which is what to hand on.
    pub fn context(&self) -> &PropagationContext {
        &self.context
    }

    /// The hub whose scope has the transaction.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Whether the transaction was begun here, and ends here, and not by somebody else.
    pub fn is_own(&self) -> bool {
        self.transaction.is_some()
    }

    /// Adds to what the transaction says. Nothing if it is somebody else's.
    pub fn set_data(&self, name: &str, value: impl Into<Value>) {
        if let Some(own) = &self.transaction {
            own.transaction.set_data(name, value.into());
        }
    }

    /// Says which request the transaction is the work for, and, where they do not say themselves, its errors. Nothing
    /// if it is somebody else's.
    pub fn set_request(&self, request: Request) {
        if let Some(own) = &self.transaction {
            own.transaction.set_request(request.clone());
            self.hub.configure_scope(|scope| {
                scope.add_event_processor(move |mut event| {
                    event.request.get_or_insert_with(|| request.clone());
                    Some(event)
                });
            });
        }
    }

    /// [Names](PropagationContext::set_route) the transaction after the route that its request took in the end, unless
    /// the application has named it. Nothing if it is somebody else's.
    pub fn set_route(&self, method: &str, pattern: &str) {
        if let Some(own) = &self.transaction {
            own.transaction.set_data("http.route", pattern.into());
            if self.context.transaction().is_none_or(|name| name == own.name) {
                self.context.set_route(method, pattern);
            }
        }
    }

    /// Says what created the transaction, as
    /// [trace origins](https://develop.sentry.dev/sdk/telemetry/traces/trace-origin/) are written. Nothing if it is
    /// somebody else's.
    pub fn set_origin(&self, origin: &str) {
        if let Some(own) = &self.transaction {
            own.transaction.set_origin(origin);
        }
    }

    /// Ends the transaction. Nothing if it is somebody else's.
    pub fn finish(mut self, status: SpanStatus) {
        self.end(status);
    }

    /// Ends the transaction as the status code of its response [says](super::span_status).
    pub fn finish_with_http_status(self, http_status: u16) {
        self.set_data("http.response.status_code", http_status);
        self.finish(span_status(http_status));
    }

    fn end(&mut self, status: SpanStatus) {
        if let Some(Own { transaction, name: started_as }) = take(&mut self.transaction) {
            if let Some(name) = self.context.transaction().filter(|name| *name != started_as) {
                transaction.set_name(&name);
            }
            transaction.set_status(status);
            // Its tags and user are those of the current hub's scope.
            Hub::run(Arc::clone(&self.hub), || transaction.finish());
            self.entry.finish();
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.end(unfinished_status());
    }
}

impl Own {
    fn start(context: &PropagationContext, hub: &Hub, name: &str, op: &str) -> Self {
        let name = context.transaction().map_or_else(|| name.to_owned(), Into::into);
        let decision = context.decision_so_far();
        let parent = context.parent_span_id().map(Into::into);
        let (trace_id, span_id) = (context.trace_id().into(), context.span_id().into());
        let mut details =
            TransactionContext::new_with_details(&name, op, trace_id, Some(span_id), parent);
        details.set_sampled(decision.sampled);
        let transaction = if context.options().samples() {
            hub.start_transaction(details)
        } else {
            // Without a client nothing is ever sent, and errors have the ids all the same.
            Hub::new(None, Arc::default()).start_transaction(details)
        };
        // A sampler of the SDK's has the last word. What is handed on is what is recorded.
        let said = position_of(&transaction.clone().into()).and_then(|position| position.sampled);
        let own_rate = decision.own_rate.filter(|_| said == decision.sampled);
        context.settle(Decision { sampled: said, own_rate });
        Self { transaction, name }
    }
}
