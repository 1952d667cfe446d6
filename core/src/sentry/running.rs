//! The contexts whose transactions are running, so that the envelopes of their traces are known.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sentry_core::TransactionOrSpan;

use crate::context::PropagationContext;
use crate::id::{SpanId, TraceId};

/// The running contexts of a propagator. Several of one trace may run at once: a page calls twice.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<TraceId, Vec<Weak<Entry>>>>);

/// A running context. As long as somebody holds it: the transaction, and the scope that errors are captured with,
/// which some other middleware may do when the transaction is long finished.
pub(super) struct Entry {
    context: PropagationContext,
    span: TransactionOrSpan,
    is_finished: AtomicBool,
}

impl Running {
    /// Adds a context. Not to be held by what the context's options hold, or it would stay for ever.
    pub(super) fn add(context: &PropagationContext, span: TransactionOrSpan) -> Arc<Entry> {
        let context = context.clone();
        let entry = Arc::new(Entry { context, span, is_finished: AtomicBool::new(false) });
        let running = &entry.context.options().running;
        running.lock().entry(entry.context.trace_id()).or_default().push(Arc::downgrade(&entry));
        entry
    }

    /// The running context that something of this trace belongs to: the one of the same span, else the current
    /// one, else any.
    pub(super) fn find(&self, trace_id: TraceId, span_id: SpanId) -> Option<PropagationContext> {
        let entries = self.of(trace_id);
        let found = match &*entries {
            [] => None,
            [only] => Some(only),
            several => several
                .iter()
                .find(|entry| entry.context.span_id() == span_id)
                .or_else(|| {
                    let current = current()?;
                    several.iter().find(|entry| entry.context.shares_trace_with(&current))
                })
                .or_else(|| several.first()),
        };
        found.map(|entry| entry.context.clone())
    }

    /// The entry of exactly this position.
    pub(super) fn get(&self, trace_id: TraceId, span_id: SpanId) -> Option<Arc<Entry>> {
        self.of(trace_id).into_iter().find(|entry| entry.context.span_id() == span_id)
    }

    /// Those of a trace. An entry that is dropped here takes the lock, so that none may be dropped under it.
    fn of(&self, trace_id: TraceId) -> Vec<Arc<Entry>> {
        let running = self.lock();
        running
            .get(&trace_id)
            .map_or_else(Vec::new, |entries| entries.iter().filter_map(Weak::upgrade).collect())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TraceId, Vec<Weak<Entry>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// The context that the running task or closure is in.
pub(super) fn current() -> Option<PropagationContext> {
    #[cfg(feature = "tokio")]
    return PropagationContext::current();
    #[cfg(not(feature = "tokio"))]
    None
}

impl Entry {
    /// Says that the transaction is sent, and takes no more spans.
    pub(super) fn finish(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Relaxed)
    }

    /// The span at the position of the context.
    pub(super) fn span(&self) -> TransactionOrSpan {
        self.span.clone()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut running = self.context.options().running.lock();
        if let Some(entries) = running.get_mut(&self.context.trace_id()) {
            // This one among them.
            entries.retain(|entry| entry.strong_count() != 0);
            if entries.is_empty() {
                running.remove(&self.context.trace_id());
            }
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.context).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use sentry_core::protocol::SpanStatus;
    use sentry_core::{Hub, TransactionContext};

    use super::*;
    use crate::propagator::Propagator;
    use crate::sentry::Transaction;

    #[test]
    fn nothing_stays_of_a_transaction_however_it_ends() {
        let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();
        let running = || propagator.options().running.len();
        let start = || {
            let context = propagator.start_new_trace();
            let hub = Arc::new(Hub::new(None, Arc::default()));
            Transaction::start(&context, hub, "a", "b")
        };
        start().finish(SpanStatus::Ok);
        drop(start());
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _transaction = start();
            panic!("on purpose");
        }));
        assert!(panic.is_err());
        assert_eq!(running(), 0);

        // Whoever still has the hub may capture an error.
        let transaction = start();
        let (context, hub) = (transaction.context().clone(), Arc::clone(transaction.hub()));
        transaction.finish(SpanStatus::Ok);
        assert!(Transaction::is_running(&context));
        drop(hub);
        assert!(!Transaction::is_running(&context));
        assert_eq!(running(), 0);

        // A scope that was cleared takes nothing away from a transaction that runs.
        let transaction = start();
        transaction.hub().configure_scope(|scope| scope.clear());
        assert!(Transaction::is_running(transaction.context()));
        drop(transaction);
        assert_eq!(running(), 0);
    }

    #[test]
    fn contexts_of_one_trace_come_and_go_each_by_itself() {
        let propagator = Propagator::builder().build().unwrap();
        let id = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
        let carrier = HashMap::from([("sentry-trace", id)]);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (propagator, carrier) = (propagator.clone(), carrier.clone());
                std::thread::spawn(move || {
                    for _ in 0..500 {
                        let context = propagator.continue_trace(&carrier);
                        let (trace_id, span_id) = (context.trace_id(), context.span_id());
                        let details = TransactionContext::new("a", "b");
                        let span = Hub::new(None, Arc::default()).start_transaction(details);
                        let entry = Running::add(&context, span.into());
                        let running = &context.options().running;
                        let found = running.find(trace_id, span_id).map(|found| found.span_id());
                        assert_eq!(found, Some(span_id));
                        drop(entry);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(propagator.options().running.len(), 0);
    }
}
