//! A transport that gives envelopes the dynamic sampling context of their trace.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sentry_core::protocol::{Context, EnvelopeItem, Event, TraceContext, Transaction};
use sentry_core::{Envelope, TransportOptions};
use tracehop::wire::SentryTrace;
use tracehop::{DynamicSamplingContext, PropagationContext};

use crate::SentryRecorder;
use crate::captured;
use crate::envelope::Parts;
use crate::ids::{is_by_chance, is_of_layer, is_of_sdk_middleware, sdk_span_id, sdk_trace_id};
use crate::outer::{Move, move_marked, move_to};
use crate::registry::{Entry, Registry};
use crate::scope::HubScope;

impl SentryRecorder {
    /// Wraps the transport of Sentry's SDK, so that the `trace`
    /// [header of its envelopes](https://develop.sentry.dev/sdk/data-model/envelopes/#headers) is what Sentry's
    /// server reads of the frozen dynamic sampling context of the trace that is propagated.
    /// [`propagator_builder`](crate::propagator_builder) does it.
    ///
    /// * Transactions and errors of this recorder's requests and jobs get the header.
    /// * An error that was captured in such a request, with a hub of no trace, is put into the trace. So is a
    ///   transaction that the SDK's `tracing` layer, or another middleware, started in a trace of its own around a
    ///   request that continued a trace. It is not sent if the request is not sampled.
    /// * All other envelopes are handed on unchanged.
    ///
    /// Changed envelopes are handed on as bytes: the SDK's type for the header holds neither unknown members nor the
    /// text of a rate, and the SDK's own transports drop the header from envelopes with items that they can see. To
    /// look at the items in a test, see [`with_items`](TransportFactory::with_items).
    ///
    /// See the [crate's documentation](crate#set-up) for an example.
    pub fn transport<F>(&self, transport: F) -> TransportFactory<F> {
        let registry = Arc::clone(self.registry());
        TransportFactory { registry, transport, header: Header::Written }
    }
}

/// Makes [`Transport`]s. See [`SentryRecorder::transport`].
#[derive(Debug, Clone)]
pub struct TransportFactory<F> {
    registry: Arc<Registry>,
    transport: F,
    header: Header,
}

/// How a transport gets the `trace` header of an envelope.
#[derive(Debug, Clone, Copy)]
enum Header {
    /// In the bytes of the envelope.
    Written,
    /// As the SDK's type, beside the items.
    Typed,
    /// Inside of an item: see [`Parts::with_carried_header`].
    #[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
    Carried,
}

impl<F> TransportFactory<F> {
    /// Hands on envelopes with items, for a transport that looks at them, such as that of a test.
    ///
    /// The header then has the members that the SDK's type knows.
    ///
    /// ```
    /// use sentry_core::test::TestTransport;
    /// use sentry_core::{Client, ClientOptions, Hub, Level};
    /// use tracehop::Propagator;
    /// use tracehop_sentry::SentryRecorder;
    ///
    /// let (recorder, sent) = (SentryRecorder::new(), TestTransport::new());
    /// let options = ClientOptions::new()
    ///     .dsn("https://key@o123.ingest.sentry.io/42")
    ///     .transport(recorder.transport(sent.clone()).with_items());
    /// let hub = Hub::new(Some(Client::from(options).into()), Default::default()).into();
    ///
    /// let context = Propagator::builder().build()?.start_new_trace();
    /// let job = recorder.start_transaction(&context, hub, "work", "task");
    /// job.context().in_scope(|| Hub::current().capture_message("boom", Level::Error));
    /// assert_eq!(sent.fetch_and_clear_events()[0].message.as_deref(), Some("boom"));
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    #[must_use]
    pub fn with_items(mut self) -> Self {
        self.header = Header::Typed;
        self
    }

    /// Hands on envelopes with items that carry the header, for a transport that takes it out.
    #[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
    pub(crate) fn with_carried_header(mut self) -> Self {
        self.header = Header::Carried;
        self
    }
}

impl<F: sentry_core::TransportFactory> sentry_core::TransportFactory for TransportFactory<F> {
    fn create_transport_with_options(
        &self,
        options: TransportOptions,
    ) -> Arc<dyn sentry_core::Transport> {
        let transport = self.transport.create_transport_with_options(options);
        Arc::new(Transport { registry: Arc::clone(&self.registry), transport, header: self.header })
    }
}

/// The transport that [`SentryRecorder::transport`] wraps around another.
pub struct Transport {
    registry: Arc<Registry>,
    transport: Arc<dyn sentry_core::Transport>,
    header: Header,
}

impl Transport {
    /// Returns the envelope as it is sent; `None` if it is not.
    fn in_trace(&self, envelope: Envelope) -> Option<Envelope> {
        let mut parts = Parts::of(envelope);
        let dsc = match &mut parts.main {
            Some(EnvelopeItem::Transaction(transaction)) => match self.dsc_of(transaction) {
                InTrace::Discarded => return parts.reports(),
                InTrace::Unknown => None,
                InTrace::Known(dsc) => Some(dsc),
            },
            Some(EnvelopeItem::Event(event)) => match self.entry_of(event) {
                Some(entry) if is_double(&entry, event) => return parts.reports(),
                Some(entry) => {
                    entry.note_exception(event);
                    Some(entry.context().dsc().clone())
                }
                None => None,
            },
            _ => None,
        };
        let Some(dsc) = dsc else { return Some(parts.into_envelope()) };
        Some(match self.header {
            Header::Written => parts.with_header(&dsc),
            Header::Typed => parts.with_typed_header(&dsc),
            #[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
            Header::Carried => parts.with_carried_header(&dsc),
        })
    }

    fn dsc_of(&self, transaction: &mut Transaction<'_>) -> InTrace {
        let Some(trace) = trace_context(&transaction.contexts) else { return InTrace::Unknown };
        if is_of_sdk_middleware(trace) {
            self.registry.early_ends.note();
        }
        if let Some(entry) = self.registry.get(trace.trace_id, trace.span_id) {
            // Also if another middleware started it: later spans are lost.
            entry.finish();
            return InTrace::Known(entry.context().dsc().clone());
        }
        match move_marked(transaction) {
            Move::Moved(dsc) => InTrace::Known(dsc),
            Move::Discarded => InTrace::Discarded,
            Move::Unmarked => self.dsc_of_inner(transaction),
        }
    }

    /// A transaction that another middleware, or the SDK's `tracing` layer, started further in than a request.
    fn dsc_of_inner(&self, transaction: &mut Transaction<'_>) -> InTrace {
        let Some(entry) = self.current_entry() else { return InTrace::Unknown };
        let Some(trace) = trace_context(&transaction.contexts) else { return InTrace::Unknown };
        let context = entry.context();
        if trace.trace_id != sdk_trace_id(context.trace_id()) {
            // The layer begins a trace where a hub of no trace was bound. All others were begun on purpose.
            if !is_of_layer(trace) || trace.parent_span_id.is_some() {
                return InTrace::Unknown;
            }
            if context.sampled() == Some(false) {
                return InTrace::Discarded;
            }
            move_to(transaction, SentryTrace::new(context.trace_id(), context.span_id(), None));
        }
        InTrace::Known(context.dsc().clone())
    }

    /// Returns the position that an error was captured at, and puts the error into its trace.
    fn entry_of(&self, event: &mut Event<'_>) -> Option<Arc<Entry>> {
        let trace = trace_context(&event.contexts)?;
        let event_trace = trace.trace_id;
        let noted = captured::take(event.event_id).filter(|entry| self.is_ours(entry));
        let entry = noted
            .or_else(|| self.registry.get(event_trace, trace.span_id))
            .or_else(|| self.registry.inside_of(event_trace))
            .or_else(|| {
                let current = self.current_entry()?;
                let is_of_trace = sdk_trace_id(current.context().trace_id()) == event_trace;
                (is_of_trace || is_by_chance(event_trace)).then_some(current)
            })
            .or_else(|| {
                // The hub of sentry-actix further out does not know the request.
                let failed = captured::last_failed().filter(|entry| self.is_ours(entry))?;
                is_double(&failed, event).then_some(failed)
            })?;
        let context = entry.context();
        if sdk_trace_id(context.trace_id()) != event_trace {
            let is_outer = entry.is_inside_of(event_trace);
            let moved = if is_outer { trace.clone() } else { trace_of(context) };
            let moved = TraceContext { trace_id: sdk_trace_id(context.trace_id()), ..moved };
            event.contexts.insert("trace".to_owned(), moved.into());
        }
        Some(entry)
    }

    fn current_entry(&self) -> Option<Arc<Entry>> {
        let current = PropagationContext::current()?;
        let of_scope = HubScope::of(&current).map(|scope| Arc::clone(scope.entry()));
        of_scope.filter(|entry| self.is_ours(entry)).or_else(|| self.registry.at(&current))
    }

    fn is_ours(&self, entry: &Arc<Entry>) -> bool {
        Arc::ptr_eq(entry.registry(), &self.registry)
    }
}

/// What is known of the trace of a transaction.
enum InTrace {
    Known(DynamicSamplingContext),
    Unknown,
    Discarded,
}

fn trace_context(contexts: &BTreeMap<String, Context>) -> Option<&TraceContext> {
    match contexts.get("trace")? {
        Context::Trace(context) => Some(context),
        _ => None,
    }
}

/// Returns the trace of an error that is captured in a context.
fn trace_of(context: &PropagationContext) -> TraceContext {
    TraceContext {
        span_id: sdk_span_id(context.span_id()),
        parent_span_id: context.parent_span_id().map(sdk_span_id),
        ..TraceContext::default()
    }
}

/// Whether sentry-actix captures an error that was captured at this position before.
fn is_double(entry: &Entry, event: &Event<'_>) -> bool {
    let packages = event.sdk.as_ref().map_or(&[][..], |sdk| &sdk.packages);
    packages.iter().any(|package| package.name == "sentry-actix") && entry.has_exception(event)
}

impl sentry_core::Transport for Transport {
    fn send_envelope(&self, envelope: Envelope) {
        if let Some(envelope) = self.in_trace(envelope) {
            self.transport.send_envelope(envelope);
        }
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
