//! A transport that gives envelopes the dynamic sampling context of their trace.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sentry_core::protocol::TraceContext;
use sentry_core::{Envelope, Hub, TransportOptions};
use tracehop::PropagationContext;

use crate::SentryRecorder;
use crate::envelope::{trace_of, with_trace_header, with_trace_of_event};
use crate::ids::{own_position_of, sdk_span_id, sdk_trace_id, span_id, span_of, trace_id};
use crate::registry::Registry;
use crate::scope::HubScope;

impl SentryRecorder {
    /// Wraps the transport of Sentry's SDK, so that the `trace`
    /// [header of its envelopes](https://develop.sentry.dev/sdk/data-model/envelopes/#headers) is the frozen dynamic
    /// sampling context of the trace that is propagated.
    ///
    /// Transactions and errors are found by their trace id, while a [`Transaction`](crate::Transaction) of this
    /// recorder is running in the trace, or while its hub is in use. Other envelopes are handed on unchanged. An
    /// error that was captured in such a context with a hub of no trace, which would get a random trace, is put
    /// into the trace first.
    ///
    /// Changed envelopes are handed on as bytes: a transport that looks into them finds no items. The SDK's own
    /// transports hold them back under a rate limit for everything, and leave limits for errors or transactions alone
    /// to Sentry.
    ///
    /// See the [crate's documentation](crate#set-up) for an example.
    pub fn transport<F>(&self, transport: F) -> TransportFactory<F> {
        TransportFactory { registry: Arc::clone(self.registry()), transport }
    }
}

/// Makes [`Transport`]s. See [`SentryRecorder::transport`].
#[derive(Debug, Clone)]
pub struct TransportFactory<F> {
    registry: Arc<Registry>,
    transport: F,
}

impl<F: sentry_core::TransportFactory> sentry_core::TransportFactory for TransportFactory<F> {
    fn create_transport_with_options(
        &self,
        options: TransportOptions,
    ) -> Arc<dyn sentry_core::Transport> {
        let transport = self.transport.create_transport_with_options(options);
        Arc::new(Transport { registry: Arc::clone(&self.registry), transport })
    }
}

/// The transport that [`SentryRecorder::transport`] wraps around another.
pub struct Transport {
    registry: Arc<Registry>,
    transport: Arc<dyn sentry_core::Transport>,
}

impl Transport {
    fn with_trace(&self, envelope: Envelope) -> Envelope {
        let Some(trace) = trace_of(&envelope) else {
            return envelope;
        };
        if let Some(context) = self.context_of(trace) {
            return with_trace_header(envelope, context.dsc());
        }
        match self.context_of_stray(&envelope, trace) {
            Some(context) => {
                let envelope = with_trace_of_event(envelope, &trace_context(&context));
                with_trace_header(envelope, context.dsc())
            }
            None => envelope,
        }
    }

    fn context_of(&self, trace: &TraceContext) -> Option<PropagationContext> {
        let (trace_id, span_id) = (trace_id(trace.trace_id)?, span_id(trace.span_id)?);
        self.registry.find(trace_id, span_id, HubScope::current_entry)
    }

    /// Returns the current context for an error that was captured in it with a hub without a trace, such as one
    /// that another middleware made from the main hub.
    ///
    /// The SDK gives such an error the hub's own ids, which are random for each process. Every other trace of an
    /// error was given to it on purpose.
    fn context_of_stray(
        &self,
        envelope: &Envelope,
        trace: &TraceContext,
    ) -> Option<PropagationContext> {
        envelope.event()?;
        let current = PropagationContext::current()?;
        let context =
            self.registry.find(current.trace_id(), current.span_id(), HubScope::current_entry)?;
        let is_own = |hub: Arc<Hub>| {
            span_of(&hub).is_none()
                && own_position_of(&hub)
                    .is_some_and(|own| trace.trace_id == sdk_trace_id(own.trace_id))
        };
        (is_own(Hub::current()) || is_own(Hub::main())).then_some(context)
    }
}

/// Returns the trace of an error that is captured in a context.
fn trace_context(context: &PropagationContext) -> TraceContext {
    TraceContext {
        trace_id: sdk_trace_id(context.trace_id()),
        span_id: sdk_span_id(context.span_id()),
        parent_span_id: context.parent_span_id().map(sdk_span_id),
        ..TraceContext::default()
    }
}

impl sentry_core::Transport for Transport {
    fn send_envelope(&self, envelope: Envelope) {
        self.transport.send_envelope(self.with_trace(envelope));
    }

    fn flush(&self, timeout: Duration) -> bool {
        self.transport.flush(timeout)
    }

    fn shutdown(&self, timeout: Duration) -> bool {
        self.transport.shutdown(timeout)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}
