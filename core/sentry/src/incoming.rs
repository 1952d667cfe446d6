//! The recording of a request that this service answers.

use std::any::Any;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sentry_core::protocol::SpanStatus;
use sentry_core::{Hub, TransactionOrSpan, event_from_error};
use tracehop::PropagationContext;
use tracehop::hop::known_method;
use tracehop::recorder::{IncomingRequest, Outcome, Recording};

use crate::captured;
use crate::described::Described;
use crate::ids::{is_of_layer, is_recorded, position_of, sdk_trace_id, span_of};
use crate::joined::joined;
use crate::outer;
use crate::recorder::{SentryRecorder, is_ours};
use crate::registry::Entry;
use crate::transaction::{Transaction, hub_without_span, is_of_other_context};

const OP: &str = "http.server";

/// A request: first its handler, then the body of its response.
pub(crate) struct IncomingRecording {
    context: PropagationContext,
    hub: Arc<Hub>,
    /// The hub that was current where the request was started.
    outer_hub: Arc<Hub>,
    entry: Arc<Entry>,
    /// `None` once it is finished.
    transaction: Mutex<Option<Transaction>>,
    /// A span of the SDK's `tracing` layer further out that the context is at. `None` once it is marked.
    layer_span: Mutex<Option<TransactionOrSpan>>,
    captures_server_errors: bool,
    grpc_status: OnceLock<u8>,
}

impl IncomingRecording {
    pub(crate) fn start(
        recorder: &SentryRecorder,
        context: &PropagationContext,
        request: &dyn IncomingRequest,
    ) -> Self {
        let name = name(request.method(), request.route().as_deref());
        let (transaction, layer_span) = start(recorder, context, &name);
        transaction.set_data("http.request.method", known_method(request.method()));
        transaction.set_origin("auto.http.tracehop");
        transaction.describe(Described::new(request, transaction.hub()));
        Self {
            context: transaction.context().clone(),
            hub: Arc::clone(transaction.hub()),
            outer_hub: Hub::current(),
            entry: Arc::clone(transaction.entry()),
            transaction: Mutex::new(Some(transaction)),
            layer_span: Mutex::new(layer_span),
            captures_server_errors: recorder.captures_server_errors(),
            grpc_status: OnceLock::new(),
        }
    }

    /// Marks the transaction further out that the context is at, once the sampling context is not changed any more.
    fn mark_layer_span(&self) {
        let span = self.layer_span.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(span) = span {
            outer::mark(&span, &self.context, true);
        }
    }

    /// Looks for a span of the SDK's `tracing` layer that was opened around this request after the request was
    /// started, as by `service.call(request).instrument(span)`.
    fn look_around(&self) {
        let current = Hub::current();
        if Arc::ptr_eq(&current, &self.outer_hub) {
            return;
        }
        let Some(span) = span_of(&current) else { return };
        let root = span.get_trace_context();
        let is_other = root.trace_id != sdk_trace_id(self.context.trace_id());
        let is_known = self.entry.is_inside_of(root.trace_id);
        if is_of_layer(&root) && is_other && !is_known {
            enclose(&span, &self.context, &self.entry);
        }
    }

    fn transaction(&self) -> MutexGuard<'_, Option<Transaction>> {
        self.transaction.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the transaction of a request where another middleware may have bound a hub or started a transaction.
///
/// Returns also the span of the SDK's `tracing` layer that the context has moved to, if there is one.
fn start(
    recorder: &SentryRecorder,
    context: &PropagationContext,
    name: &str,
) -> (Transaction, Option<TransactionOrSpan>) {
    let current = Hub::current();
    let is_bound = recorder.is_bound(&current);
    let new_hub = || Arc::new(recorder.new_hub(&current));
    let span = if is_bound || !recorder.knows_worker() && !is_ours(&current) {
        span_of(&current).filter(|span| !is_of_other_context(recorder.registry(), span, context))
    } else {
        None
    };
    let Some(span) = span else {
        let transaction = if is_bound {
            recorder.start_transaction(context, current, name, OP)
        } else {
            recorder.start_own(context, new_hub(), name, OP, None)
        };
        return (transaction, None);
    };

    let trace = span.get_trace_context();
    let is_layer = is_of_layer(&trace);
    let is_same_trace = trace.trace_id == sdk_trace_id(context.trace_id());
    if (is_same_trace || !context.is_continued())
        && let Some(context) = joined(context, &current, &span)
    {
        // The hub of the layer lasts for one poll, and is a copy of the thread's.
        let hub = if is_layer || !is_bound { new_hub() } else { current };
        let transaction = recorder.transaction(context, hub, span.clone(), None);
        (transaction, is_layer.then_some(span))
    } else {
        // The trace that arrived goes on.
        let hub = if is_layer { new_hub() } else { Arc::new(hub_without_span(&current)) };
        let parent = position_of(&span).filter(|_| is_recorded(&span));
        let parent = parent.map(|position| position.span_id);
        let transaction = recorder.start_own(context, hub, name, OP, parent);
        enclose(&span, context, transaction.entry());
        (transaction, None)
    }
}

/// Notes that a span of another trace is around a request.
fn enclose(span: &TransactionOrSpan, context: &PropagationContext, entry: &Arc<Entry>) {
    entry.set_outer(span.get_trace_context().trace_id);
    if is_recorded(span) {
        outer::mark(span, context, entry.context().sampled() != Some(false));
    }
}

/// Returns the name of a request's transaction, as sentry-actix gives it. An unknown method is arbitrary client input.
fn name(method: &str, route: Option<&str>) -> String {
    [known_method(method), " ", route.unwrap_or("<none>")].concat()
}

impl Recording for IncomingRecording {
    fn context(&self) -> Option<&PropagationContext> {
        Some(&self.context)
    }

    fn enter(&self, work: &mut dyn FnMut()) {
        Hub::run(Arc::clone(&self.hub), work);
    }

    fn needs_position_in_request(&self) -> bool {
        // sentry-actix further in starts a transaction by the headers.
        true
    }

    fn extend(&self, extensions: &mut dyn Any) {
        #[cfg(feature = "actix-http")]
        if let Some(extensions) = extensions.downcast_mut::<actix_http::Extensions>() {
            extensions.insert(Arc::clone(&self.hub));
        }
        #[cfg(feature = "http")]
        if let Some(extensions) = extensions.downcast_mut::<http::Extensions>() {
            extensions.insert(Arc::clone(&self.hub));
        }
        let _ = extensions;
    }

    fn set_route(&self, method: &str, pattern: &str) {
        if let Some(transaction) = &mut *self.transaction() {
            transaction.set_data("http.route", pattern);
            transaction.set_default_name(name(method, Some(pattern)));
        }
    }

    fn set_error(&self, status: u16, error: &dyn Error) {
        if !self.captures_server_errors || status < 500 {
            return;
        }
        let event = event_from_error(error);
        if !self.entry.has_exception(&event) {
            Hub::run(Arc::clone(&self.hub), || self.hub.capture_event(event));
        }
        captured::note_error(&self.entry);
    }

    fn set_status(&self, _: u16) {
        self.look_around();
        self.mark_layer_span();
    }

    fn set_grpc_status(&self, code: u8) {
        let _ = self.grpc_status.set(code);
    }

    fn finish(&self, outcome: &Outcome<'_>) {
        self.entry.registry().early_ends.warn();
        self.mark_layer_span();
        let transaction = self.transaction().take();
        match (transaction, outcome) {
            (Some(transaction), Outcome::Completed { status, .. }) => {
                match self.grpc_status.get() {
                    Some(code) => transaction.finish_with_grpc_status(*status, *code),
                    None => transaction.finish_with_http_status(*status),
                }
            }
            (Some(transaction), _) => transaction.finish(SpanStatus::InternalError),
            (None, _) => (),
        }
    }
}

impl Drop for IncomingRecording {
    fn drop(&mut self) {
        self.look_around();
        self.mark_layer_span();
    }
}
