//! The positions that the SDK records, so that envelopes find the trace that they belong to.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, Weak};
#[cfg(not(all(test, shuttle)))]
use std::sync::{Mutex, MutexGuard};

use sentry_core::TransactionOrSpan;
use sentry_core::protocol::{Context, Event, Request, SpanId, TraceId};
#[cfg(all(test, shuttle))]
use shuttle::sync::{Mutex, MutexGuard};
use tracehop::PropagationContext;

use crate::described::Described;
use crate::early_ends::EarlyEnds;
use crate::ids::{sdk_span_id, sdk_trace_id};

/// The number of spans in one transaction that the SDK keeps. It drops the others.
const MAX_SPANS: usize = 1000;

/// The number of exceptions of one position that are compared with later ones.
const MAX_EXCEPTIONS: usize = 16;

/// The type and the value of an exception.
type Exception = (String, Option<String>);

/// The recorded positions of one recorder. Several positions of one trace may be recorded at the same time.
///
/// Clients choose trace ids, and can send many requests in one trace. So each position is found and removed by its own
/// key.
#[derive(Default)]
pub(crate) struct Registry {
    entries: Mutex<Entries>,
    pub(crate) early_ends: EarlyEnds,
}

#[derive(Default)]
struct Entries {
    positions: HashMap<Key, Weak<Entry>>,
    /// The requests inside of a transaction of another trace, by that trace.
    outer: HashMap<TraceId, Weak<Entry>>,
}

/// A position, by the SDK's own types of ids, because the SDK shows ids only as text.
type Key = (TraceId, SpanId);

/// A recorded position. It lives as long as the transaction, and as long as the hub whose scope has the transaction:
/// another middleware may capture an error with the hub after the transaction is finished.
pub(crate) struct Entry {
    registry: Arc<Registry>,
    /// Without a scope: the scope's hub holds the entry.
    context: PropagationContext,
    span: TransactionOrSpan,
    /// The transaction that the span is in.
    root: SpanId,
    /// The other trace that a middleware further out has started a transaction in.
    outer: Mutex<Option<TraceId>>,
    is_finished: AtomicBool,
    child_spans: AtomicUsize,
    /// What the request is described from, and the request that errors without a request get.
    described: OnceLock<Described>,
    request: OnceLock<Request>,
    /// The exceptions that were captured at this position.
    exceptions: Mutex<Vec<Exception>>,
}

impl Registry {
    /// Adds a position.
    pub(crate) fn add(
        self: &Arc<Self>,
        context: &PropagationContext,
        span: TransactionOrSpan,
    ) -> Arc<Entry> {
        let root = span.get_trace_context().span_id;
        let entry = Arc::new(Entry {
            registry: Arc::clone(self),
            context: context.clone().without_scope(),
            span,
            root,
            outer: Mutex::default(),
            is_finished: AtomicBool::new(false),
            child_spans: AtomicUsize::new(0),
            described: OnceLock::new(),
            request: OnceLock::new(),
            exceptions: Mutex::default(),
        });
        let mut entries = self.lock();
        for key in entry.keys() {
            entries.positions.insert(key, Arc::downgrade(&entry));
        }
        drop(entries);
        entry
    }

    /// Returns the entry at the position of a context.
    pub(crate) fn at(&self, context: &PropagationContext) -> Option<Arc<Entry>> {
        self.get(sdk_trace_id(context.trace_id()), sdk_span_id(context.span_id()))
    }

    /// Returns the entry of exactly this position, or of one in this transaction.
    pub(crate) fn get(&self, trace_id: TraceId, span_id: SpanId) -> Option<Arc<Entry>> {
        self.lock().positions.get(&(trace_id, span_id)).and_then(Weak::upgrade)
    }

    /// Returns the entry of a request inside of a transaction of this other trace.
    pub(crate) fn inside_of(&self, outer: TraceId) -> Option<Arc<Entry>> {
        self.lock().outer.get(&outer).and_then(Weak::upgrade)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let entries = self.lock();
        entries.positions.len() + entries.outer.len()
    }
}

impl Entry {
    /// Returns the context at the position, without a scope.
    pub(crate) fn context(&self) -> &PropagationContext {
        &self.context
    }

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

    /// Takes the place of one of the spans that the SDK keeps of a transaction. `false` if there is none left.
    pub(crate) fn take_place_of_span(&self) -> bool {
        self.child_spans.fetch_add(1, Ordering::Relaxed) < MAX_SPANS
    }

    pub(crate) fn set_request(&self, request: Request) {
        let _ = self.request.set(request);
    }

    pub(crate) fn describe(&self, described: Described) {
        let _ = self.described.set(described);
    }

    pub(crate) fn request(&self) -> Option<&Request> {
        if let Some(described) = self.described.get() {
            return Some(self.request.get_or_init(|| described.request()));
        }
        self.request.get()
    }

    /// Whether the exception of an event was captured at this position before.
    pub(crate) fn has_exception(&self, event: &Event<'_>) -> bool {
        exception_of(event).is_some_and(|exception| self.exceptions().contains(&exception))
    }

    /// Notes the exception of an event that is captured at this position.
    pub(crate) fn note_exception(&self, event: &Event<'_>) {
        let mut exceptions = self.exceptions();
        if exceptions.len() < MAX_EXCEPTIONS {
            exceptions.extend(exception_of(event));
        }
    }

    fn exceptions(&self) -> MutexGuard<'_, Vec<Exception>> {
        self.exceptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event is in the trace of this position, or in none.
    pub(crate) fn is_trace_of(&self, event: &Event<'_>) -> bool {
        match event.contexts.get("trace") {
            Some(Context::Trace(trace)) => {
                let is_own = trace.trace_id == sdk_trace_id(self.context.trace_id());
                is_own || self.is_inside_of(trace.trace_id)
            }
            _ => true,
        }
    }

    /// Notes the other trace that a middleware further out has started a transaction in.
    pub(crate) fn set_outer(self: &Arc<Self>, outer: TraceId) {
        let before = self.lock_outer().replace(outer);
        let mut entries = self.registry.lock();
        if let Some(before) = before {
            remove(&mut entries.outer, &before, self);
        }
        entries.outer.insert(outer, Arc::downgrade(self));
    }

    /// Whether a middleware further out has started a transaction in this other trace.
    pub(crate) fn is_inside_of(&self, trace_id: TraceId) -> bool {
        *self.lock_outer() == Some(trace_id)
    }

    fn lock_outer(&self) -> MutexGuard<'_, Option<TraceId>> {
        self.outer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> [Key; 2] {
        let trace_id = sdk_trace_id(self.context.trace_id());
        [(trace_id, sdk_span_id(self.context.span_id())), (trace_id, self.root)]
    }
}

fn exception_of(event: &Event<'_>) -> Option<Exception> {
    event.exception.last().map(|last| (last.ty.clone(), last.value.clone()))
}

impl Drop for Entry {
    fn drop(&mut self) {
        let outer = *self.lock_outer();
        let mut entries = self.registry.lock();
        for key in self.keys() {
            remove(&mut entries.positions, &key, self);
        }
        if let Some(outer) = outer {
            remove(&mut entries.outer, &outer, self);
        }
    }
}

/// Removes an entry, unless a later one has taken its key.
fn remove<K: Hash + Eq>(entries: &mut HashMap<K, Weak<Entry>>, key: &K, entry: &Entry) {
    if entries.get(key).is_some_and(|other| std::ptr::eq(other.as_ptr(), entry)) {
        entries.remove(key);
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
    fn ended_transactions_leave_no_entries() {
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
    fn concurrent_positions_of_one_trace_are_kept_apart() {
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
                        let entry = registry.add(&context, span());
                        let found = registry.at(&context).unwrap();
                        assert_eq!(found.context().span_id(), context.span_id());
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
        let outer = TraceId::default();
        let [first, second] = [(); 2].map(|()| registry.add(&context, span()));
        first.set_outer(outer);
        second.set_outer(outer);
        first.set_outer(TraceId::from([1; 16]));
        assert!(registry.inside_of(outer).is_some());
        first.set_outer(outer);
        second.set_outer(outer);
        drop(first);
        assert!(registry.at(&context).is_some());
        assert!(registry.inside_of(outer).is_some());
        drop(second);
        assert_eq!(registry.len(), 0);
    }

    /// In the orders that [shuttle](https://docs.rs/shuttle) chooses. See CONTRIBUTING.md for the command.
    #[cfg(shuttle)]
    #[test]
    fn interleavings_of_requests_at_one_position_find_the_later_and_leave_nothing() {
        fn outer() -> TraceId {
            TraceId::from([1; 16])
        }
        let run = || {
            let registry = Arc::new(Registry::default());
            let context = Propagator::builder().build().unwrap().start_new_trace();
            let add = |context: &PropagationContext, registry: &Arc<Registry>| {
                let entry = registry.add(context, span());
                entry.set_outer(outer());
                entry
            };
            let first = add(&context, &registry);
            let ends = shuttle::thread::spawn(move || drop(first));
            let (its_registry, its_context) = (Arc::clone(&registry), context.clone());
            let later = shuttle::thread::spawn(move || {
                let entry = add(&its_context, &its_registry);
                assert!(its_registry.at(&its_context).is_some());
                assert!(its_registry.inside_of(outer()).is_some());
                drop(entry);
            });
            // An event may be the last that holds an entry.
            let its_registry = Arc::clone(&registry);
            let event = shuttle::thread::spawn(move || {
                drop(its_registry.at(&context));
                drop(its_registry.inside_of(outer()));
            });
            for thread in [ends, later, event] {
                thread.join().unwrap();
            }
            assert_eq!(registry.len(), 0);
        };
        shuttle::check_pct(run, 5_000, 3);
    }
}
