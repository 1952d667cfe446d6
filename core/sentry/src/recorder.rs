//! The recorder: a transaction for each incoming request, a span for each outgoing one.

use std::sync::Arc;

#[cfg(feature = "release-health")]
use sentry_core::SessionMode;
use sentry_core::{Client, Hub};
use tracehop::PropagationContext;
use tracehop::recorder::{IncomingRequest, OutgoingRequest, Recorder, Recording, SdkOptions};

use crate::ids::span_of;
use crate::incoming::IncomingRecording;
use crate::outgoing::OutgoingRecording;
use crate::quiet::quiet_hub;
use crate::registry::Registry;
use crate::scope::HubScope;
use crate::transaction::hub_without_span;

/// Records the requests of a propagator with Sentry's SDK: the transaction of each incoming request, a span for each
/// outgoing request in the trace of a running transaction, and the errors that handlers return.
///
/// Clones share what they record. The same recorder belongs to the propagator and, by
/// [`transport`](Self::transport), to the SDK's client: [`propagator_builder`](crate::propagator_builder) sets both. See
/// the [crate's documentation](crate).
#[derive(Debug, Clone)]
pub struct SentryRecorder {
    registry: Arc<Registry>,
    quiet: Arc<Hub>,
    worker: Option<Worker>,
    capture_server_errors: bool,
    sdk_options: SdkOptions,
}

/// The hub of a worker thread.
#[derive(Debug, Clone)]
struct Worker {
    hub: Arc<Hub>,
    /// A copy of the hub from before the first request.
    initial: Arc<Hub>,
}

impl Default for SentryRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl SentryRecorder {
    /// Makes a recorder.
    pub fn new() -> Self {
        Self {
            registry: Arc::default(),
            quiet: quiet_hub(),
            worker: None,
            capture_server_errors: true,
            sdk_options: SdkOptions::default(),
        }
    }

    /// Sets whether an error that a handler or a middleware returns, and that becomes a response with a status from 500
    /// on, is captured. On by default, as in sentry-actix. An error that is captured already is not captured again.
    #[must_use]
    pub fn capture_server_errors(mut self, capture: bool) -> Self {
        self.capture_server_errors = capture;
        self
    }

    pub(crate) fn with_sdk_options(mut self, options: SdkOptions) -> Self {
        self.sdk_options = options;
        self
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    pub(crate) fn captures_server_errors(&self) -> bool {
        self.capture_server_errors
    }

    /// Whether a middleware further out has bound a hub for this request. Such a middleware may capture errors with it
    /// after this request.
    pub(crate) fn is_bound(&self, current: &Arc<Hub>) -> bool {
        self.worker.as_ref().is_some_and(|worker| !Arc::ptr_eq(&worker.hub, current))
            && !is_ours(current)
    }

    /// Whether the hubs of the thread that serves requests are known.
    pub(crate) fn knows_worker(&self) -> bool {
        self.worker.is_some()
    }

    /// Returns a new hub for a request.
    ///
    /// The hub is a copy of what `sentry::init` set up. Jobs and other middleware write to the hub of the thread, and
    /// what they write must not reach the next request. Only a hub with a client of its own, such as that
    /// of a tenant, is copied instead.
    pub(crate) fn new_hub(&self, current: &Arc<Hub>) -> Hub {
        if is_ours(current) {
            return hub_without_span(current);
        }
        let main = Hub::main();
        let client = current.client();
        let initial = self.worker.as_ref().map(|worker| &worker.initial);
        let hub = if client.is_none() || is_same(&client, &main.client()) {
            // A thread that ran before `sentry::init` has no client.
            hub_without_span(&main)
        } else if let Some(initial) = initial.filter(|hub| is_same(&client, &hub.client())) {
            hub_without_span(initial)
        } else {
            hub_without_span(current)
        };
        #[cfg(feature = "release-health")]
        start_session(&hub);
        hub
    }
}

/// Starts a session for a request, if the SDK's options have one for each. It ends with the hub, and so counts the errors
/// of the request's jobs too.
#[cfg(feature = "release-health")]
fn start_session(hub: &Hub) {
    let is_tracked = hub.client().is_some_and(|client| {
        let options = client.options();
        options.auto_session_tracking && options.session_mode == SessionMode::Request
    });
    if is_tracked {
        hub.start_session();
    }
}

impl Recorder for SentryRecorder {
    fn start_incoming(
        &self,
        context: &PropagationContext,
        request: &dyn IncomingRequest,
    ) -> Option<Box<dyn Recording>> {
        Some(Box::new(IncomingRecording::start(self, context, request)))
    }

    fn start_outgoing(
        &self,
        context: Option<&PropagationContext>,
        request: &dyn OutgoingRequest,
    ) -> Option<Box<dyn Recording>> {
        Some(Box::new(OutgoingRecording::start(context, &self.registry, request)))
    }

    fn current_context(&self) -> Option<PropagationContext> {
        let hub = Hub::current();
        let trace = span_of(&hub)?.get_trace_context();
        let entry = self.registry.get(trace.trace_id, trace.span_id)?;
        let context = entry.context().clone();
        Some(context.with_scope(Arc::new(HubScope::new(hub, entry))))
    }

    fn around_log_span(&self, open: &mut dyn FnMut()) {
        Hub::run(Arc::clone(&self.quiet), open);
    }

    fn sdk_options(&self) -> SdkOptions {
        self.sdk_options.clone()
    }

    fn for_worker(&self) -> Option<Arc<dyn Recorder>> {
        let hub = Hub::current();
        let initial = Arc::new(Hub::new_from_top(&hub));
        Some(Arc::new(Self { worker: Some(Worker { hub, initial }), ..self.clone() }))
    }
}

/// Whether a hub was bound for the current context, by this recorder or by one of another propagator.
pub(crate) fn is_ours(hub: &Arc<Hub>) -> bool {
    let current = PropagationContext::current();
    current.as_ref().and_then(HubScope::of).is_some_and(|scope| Arc::ptr_eq(scope.hub(), hub))
}

fn is_same(a: &Option<Arc<Client>>, b: &Option<Arc<Client>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
