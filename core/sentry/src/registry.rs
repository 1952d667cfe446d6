//! The positions that the SDK records, so that envelopes find the trace that they belong to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use sentry_core::TransactionOrSpan;
use sentry_core::protocol::{Context, Event, Request};
use tracehop::{PropagationContext, SpanId, TraceId};

use crate::ids::sdk_trace_id;

/// The recorded positions of one recorder. Several positions of one trace may be recorded at the same time.
///
/// A stranger chooses trace ids, and can have many requests in one trace. So each position is found and removed by
/// its own key.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Entries>);

type Entries = BTreeMap<Key, Weak<Entry>>;

/// The trace, and the bytes of the span id.
type Key = (TraceId, [u8; 8]);

/// A recorded position. It lives as long as the transaction, and as long as the hub whose scope has the transaction:
/// another middleware may capture an error with the hub after the transaction is finished.
pub(crate) struct Entry {
    registry: Arc<Registry>,
    /// Without a scope: the scope's hub holds the entry.
    context: PropagationContext,
    span: TransactionOrSpan,
    is_finished: AtomicBool,
    /// The request that errors without a request get.
    request: OnceLock<Request>,
}

impl Registry {
    /// Adds a position.
    pub(crate) fn add(
        self: &Arc<Self>,
        context: &PropagationContext,
        span: TransactionOrSpan,
    ) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            registry: Arc::clone(self),
            context: context.clone().without_scope(),
            span,
            is_finished: AtomicBool::new(false),
            request: OnceLock::new(),
        });
        let key = (context.trace_id(), context.span_id().to_bytes());
        self.lock().insert(key, Arc::downgrade(&entry));
        entry
    }

    /// Returns the context that an event or a transaction with these ids belongs to: the one at exactly this span,
    /// else the current one, else any of the trace.
    pub(crate) fn find(
        &self,
        trace_id: TraceId,
        span_id: SpanId,
        current: impl FnOnce() -> Option<Arc<Entry>>,
    ) -> Option<PropagationContext> {
        let is_of_trace = |entry: &Arc<Entry>| {
            entry.context.trace_id() == trace_id && std::ptr::eq(&*entry.registry, self)
        };
        let entry = self
            .get(trace_id, span_id)
            .or_else(|| current().filter(is_of_trace))
            .or_else(|| self.any_of(trace_id))?;
        Some(entry.context.clone())
    }

    /// Returns the entry of exactly this position.
    pub(crate) fn get(&self, trace_id: TraceId, span_id: SpanId) -> Option<Arc<Entry>> {
        self.lock().get(&(trace_id, span_id.to_bytes())).and_then(Weak::upgrade)
    }

    fn any_of(&self, trace_id: TraceId) -> Option<Arc<Entry>> {
        let entries = self.lock();
        let mut of_trace = entries
            .range((trace_id, [0; 8])..)
            .take_while(|((of, _), _)| *of == trace_id)
            .map(|(_, entry)| entry);
        of_trace.find_map(Weak::upgrade)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

impl Entry {
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Returns the span at the position.
    pub(crate) fn span(&self) -> &TransactionOrSpan {
        &self.span
    }

    /// Notes that the transaction is sent, and takes no more spans.
    pub(crate) fn finish(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Relaxed)
    }

    pub(crate) fn set_request(&self, request: Request) {
        let _ = self.request.set(request);
    }

    pub(crate) fn request(&self) -> Option<&Request> {
        self.request.get()
    }

    /// Whether an event is in the trace of this position, or in none.
    pub(crate) fn is_trace_of(&self, event: &Event<'_>) -> bool {
        match event.contexts.get("trace") {
            Some(Context::Trace(trace)) => trace.trace_id == sdk_trace_id(self.context.trace_id()),
            _ => true,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let key = (self.context.trace_id(), self.context.span_id().to_bytes());
        let mut entries = self.registry.lock();
        // A later entry at the same position stays.
        if entries.get(&key).is_some_and(|entry| std::ptr::eq(entry.as_ptr(), self)) {
            entries.remove(&key);
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.context).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use sentry_core::protocol::SpanStatus;
    use sentry_core::{Hub, TransactionContext};
    use tracehop::Propagator;

    use super::*;
    use crate::SentryRecorder;

    fn span() -> TransactionOrSpan {
        let details = TransactionContext::new("a", "b");
        Hub::new(None, Arc::default()).start_transaction(details).into()
    }

    #[test]
    fn ended_transactions_leave_nothing_behind() {
        let recorder = SentryRecorder::new();
        let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();
        let start = || {
            let hub = Arc::new(Hub::new(None, Arc::default()));
            recorder.start_transaction(&propagator.start_new_trace(), hub, "a", "b")
        };
        let len = || recorder.registry().len();
        start().finish(SpanStatus::Ok);
        drop(start());
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _transaction = start();
            panic!("on purpose");
        }));
        assert!(panic.is_err());
        assert_eq!(len(), 0);

        // An error may still be captured with the hub.
        let transaction = start();
        let hub = Arc::clone(transaction.hub());
        transaction.finish(SpanStatus::Ok);
        assert_eq!(len(), 1);
        drop(hub);
        assert_eq!(len(), 0);

        // A transaction stays known when its scope is cleared.
        let transaction = start();
        transaction.hub().configure_scope(|scope| scope.clear());
        assert_eq!(len(), 1);
        drop(transaction);
        assert_eq!(len(), 0);
    }

    #[test]
    fn positions_of_one_trace_come_and_go_by_themselves() {
        let registry = Arc::new(Registry::default());
        let propagator = Propagator::builder().build().unwrap();
        let id = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
        let carrier = HashMap::from([("sentry-trace", id)]);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (registry, propagator) = (Arc::clone(&registry), propagator.clone());
                let carrier = carrier.clone();
                std::thread::spawn(move || {
                    for _ in 0..500 {
                        let context = propagator.continue_trace(&carrier);
                        let (trace_id, span_id) = (context.trace_id(), context.span_id());
                        let entry = registry.add(&context, span());
                        let found = registry.find(trace_id, span_id, || None).unwrap();
                        assert_eq!(found.span_id(), span_id);
                        assert!(registry.find(trace_id, SpanId::random(), || None).is_some());
                        drop(entry);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn a_later_entry_at_the_same_position_stays() {
        let registry = Arc::new(Registry::default());
        let context = Propagator::builder().build().unwrap().start_new_trace();
        let first = registry.add(&context, span());
        let second = registry.add(&context, span());
        drop(first);
        assert!(registry.find(context.trace_id(), context.span_id(), || None).is_some());
        drop(second);
        assert_eq!(registry.len(), 0);
    }
}
