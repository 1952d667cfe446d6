//! The recorder: a transaction for each incoming request, a span for each outgoing one.

use std::sync::{Arc, Mutex, PoisonError};

use sentry_core::Hub;
use sentry_core::protocol::{Request, SpanStatus};
use tracehop::PropagationContext;
use tracehop::hop::{known_method, redact_url};
use tracehop::recorder::{IncomingRequest, Outcome, OutgoingRequest, Recorder, Recording};

use crate::child_span::ChildSpan;
use crate::registry::Registry;
use crate::scope::HubScope;
use crate::transaction::Transaction;
use crate::url_limit::cut;

/// Records the requests of a propagator with Sentry's SDK: the transaction of each incoming request, a span for each
/// outgoing request in the trace of a running transaction.
///
/// Clones share what they record. The same recorder belongs to the propagator and, by
/// [`transport`](Self::transport), to the SDK's client. See the [crate's documentation](crate).
#[derive(Debug, Clone, Default)]
pub struct SentryRecorder {
    registry: Arc<Registry>,
    /// The hub of the worker thread, which no request has bound.
    worker: Option<Arc<Hub>>,
}

impl SentryRecorder {
    /// Makes a recorder.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }
}

impl Recorder for SentryRecorder {
    fn start_incoming(
        &self,
        context: &PropagationContext,
        request: &dyn IncomingRequest,
    ) -> Option<Box<dyn Recording>> {
        let current = Hub::current();
        // Another middleware that bound a hub may capture errors with it after this request.
        let is_bound = self.worker.as_ref().is_some_and(|worker| !Arc::ptr_eq(worker, &current))
            && !is_ours(&current);
        let hub = if is_bound {
            current
        } else {
            let hub = Hub::new_from_top(current);
            hub.configure_scope(|scope| scope.set_span(None));
            Arc::new(hub)
        };
        let name = name(request.method(), request.route().as_deref());
        let transaction = self.start_transaction(context, hub, &name, "http.server");
        transaction.set_data("http.request.method", known_method(request.method()));
        transaction.set_origin("auto.http.tracehop");
        if transaction.is_own() {
            transaction.set_request(described(request));
        }
        Some(Box::new(IncomingRecording {
            context: transaction.context().clone(),
            hub: Arc::clone(transaction.hub()),
            transaction: Mutex::new(Some(transaction)),
            needs_position: !is_bound,
        }))
    }

    fn start_outgoing(
        &self,
        context: Option<&PropagationContext>,
        request: &dyn OutgoingRequest,
    ) -> Option<Box<dyn Recording>> {
        let span =
            ChildSpan::http_client(context?, &self.registry, request.method(), &request.url())?;
        let context = span.context().clone();
        Some(Box::new(OutgoingRecording { context, span: Mutex::new(Some(span)) }))
    }

    fn for_worker(&self) -> Option<Arc<dyn Recorder>> {
        let worker = Some(Hub::current());
        Some(Arc::new(Self { registry: Arc::clone(&self.registry), worker }))
    }
}

/// Whether a hub was bound for the current context, by this recorder or by one of another propagator.
fn is_ours(hub: &Arc<Hub>) -> bool {
    let current = PropagationContext::current();
    current.as_ref().and_then(HubScope::of).is_some_and(|scope| Arc::ptr_eq(scope.hub(), hub))
}

/// Returns the name of a request's transaction. An unknown method is arbitrary client input.
fn name(method: &str, route: Option<&str>) -> String {
    if known_method(method) != method {
        return "HTTP".to_owned();
    }
    route.map_or_else(|| method.to_owned(), |route| [method, " ", route].concat())
}

/// Describes a request without the parts of its URL that may be secrets. Host, path and method are client input.
fn described(request: &dyn IncomingRequest) -> Request {
    let url = request.url();
    Request {
        url: cut(&redact_url(&url)).parse().ok(),
        method: Some(known_method(request.method()).to_owned()),
        ..Request::default()
    }
}

/// The recording of an incoming request: first of its handler, then of the body of its response.
struct IncomingRecording {
    context: PropagationContext,
    hub: Arc<Hub>,
    /// `None` once it is finished.
    transaction: Mutex<Option<Transaction>>,
    needs_position: bool,
}

impl Recording for IncomingRecording {
    fn context(&self) -> Option<&PropagationContext> {
        Some(&self.context)
    }

    fn enter(&self, work: &mut dyn FnMut()) {
        Hub::run(Arc::clone(&self.hub), work);
    }

    fn needs_position_in_request(&self) -> bool {
        self.needs_position
    }

    fn set_route(&self, method: &str, pattern: &str) {
        let mut transaction = self.transaction.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transaction) = &mut *transaction {
            transaction.set_data("http.route", pattern);
            transaction.set_default_name(name(method, Some(pattern)));
        }
    }

    fn finish(&self, outcome: &Outcome<'_>) {
        let transaction = self.transaction.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (transaction, outcome) {
            (Some(transaction), Outcome::Completed { status, .. }) => {
                transaction.finish_with_http_status(*status);
            }
            (Some(transaction), _) => transaction.finish(SpanStatus::InternalError),
            (None, _) => (),
        }
    }
}

/// The recording of an outgoing request.
struct OutgoingRecording {
    context: PropagationContext,
    /// `None` once it is finished.
    span: Mutex<Option<ChildSpan>>,
}

impl Recording for OutgoingRecording {
    fn context(&self) -> Option<&PropagationContext> {
        Some(&self.context)
    }

    fn finish(&self, outcome: &Outcome<'_>) {
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (span, outcome) {
            (Some(span), Outcome::Completed { status, .. }) => {
                span.finish_with_http_status(*status);
            }
            (Some(span), Outcome::Failed { kind: "timeout", .. }) => {
                span.finish(SpanStatus::DeadlineExceeded);
            }
            (Some(span), _) => span.finish(SpanStatus::InternalError),
            (None, _) => (),
        }
    }
}
