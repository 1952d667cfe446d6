//! A transport that gives envelopes the dynamic sampling context of their trace.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sentry_core::protocol::TraceContext;
use sentry_core::{Envelope, Hub, TransportOptions};

use crate::context::PropagationContext;
use crate::propagator::Propagator;

use super::envelope::{trace_of, with_trace_header, with_trace_of_event};
use super::ids::{own_position_of, span_of};
use super::running::current;

impl Propagator {
    /// Wraps the transport of Sentry's SDK, so that the `trace`
    /// [header of its envelopes](https://develop.sentry.dev/sdk/data-model/envelopes/#headers) is the frozen dynamic
    /// sampling context of the trace that is propagated.
    ///
    /// Transactions and errors are told by their trace id: that of a [`Transaction`](crate::sentry::Transaction) of
    /// this propagator's which is running, or whose hub is still in use. What is of no such trace is handed on as it
    /// is. An error that was captured in such a context, but with a hub that knows of no trace and would give it a
    /// random one, is put into the trace first.
    ///
    /// Envelopes that were changed are handed on as bytes: a transport that looks into them finds no items. The SDK's own
    /// hold them back by a rate limit for everything, and leave one for errors or transactions alone to Sentry.
    ///
    /// See the [module's documentation](crate::sentry#setting-up-the-sdk) for an example.
    pub fn sentry_transport<F>(&self, transport: F) -> TransportFactory<F> {
        TransportFactory { propagator: self.clone(), transport }
    }
}

/// Makes [`Transport`]s. See [`Propagator::sentry_transport`].
#[derive(Debug, Clone)]
pub struct TransportFactory<F> {
    propagator: Propagator,
    transport: F,
}

impl<F: sentry_core::TransportFactory> sentry_core::TransportFactory for TransportFactory<F> {
    fn create_transport_with_options(
        &self,
        options: TransportOptions,
    ) -> Arc<dyn sentry_core::Transport> {
        let transport = self.transport.create_transport_with_options(options);
        Arc::new(Transport { propagator: self.propagator.clone(), transport })
    }
}

/// The transport that [`Propagator::sentry_transport`] wraps around another.
pub struct Transport {
    propagator: Propagator,
    transport: Arc<dyn sentry_core::Transport>,
}

impl Transport {
    fn mended(&self, envelope: Envelope) -> Envelope {
        let Some(trace) = trace_of(&envelope) else {
            return envelope;
        };
        if let Some(context) = self.context_of(trace) {
            return with_trace_header(envelope, context.dsc());
        }
        match self.context_of_astray(&envelope, trace) {
            Some(context) => {
                let envelope = with_trace_of_event(envelope, &trace_context(&context));
                with_trace_header(envelope, context.dsc())
            }
            None => envelope,
        }
    }

    fn context_of(&self, trace: &TraceContext) -> Option<PropagationContext> {
        let running = &self.propagator.options().running;
        // An id that is all zero is of no context.
        running.find(trace.trace_id.try_into().ok()?, trace.span_id.try_into().ok()?)
    }

    /// The context of an error that was captured in it with a hub that knows nothing of any trace, such as the one
    /// that another middleware made from the main hub.
    ///
    /// The SDK gives such an error the ids of the hub's own, random for each process. Any other trace that it may
    /// have was given to it on purpose.
    fn context_of_astray(
        &self,
        envelope: &Envelope,
        trace: &TraceContext,
    ) -> Option<PropagationContext> {
        envelope.event()?;
        let current = current().filter(|current| self.propagator.is_propagator_of(current))?;
        let running = &self.propagator.options().running;
        let context = running.find(current.trace_id(), current.span_id())?;
        let is_own = |hub: Arc<Hub>| {
            span_of(&hub).is_none()
                && own_position_of(&hub).is_some_and(|own| trace.trace_id == own.trace_id.into())
        };
        (is_own(Hub::current()) || is_own(Hub::main())).then_some(context)
    }
}

/// What an error that is captured in a context says of its trace.
fn trace_context(context: &PropagationContext) -> TraceContext {
    TraceContext {
        trace_id: context.trace_id().into(),
        span_id: context.span_id().into(),
        parent_span_id: context.parent_span_id().map(Into::into),
        ..TraceContext::default()
    }
}

impl sentry_core::Transport for Transport {
    fn send_envelope(&self, envelope: Envelope) {
        self.transport.send_envelope(self.mended(envelope));
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
        f.debug_struct("Transport").field("propagator", &self.propagator).finish_non_exhaustive()
    }
}
