//! What threads may do to one trace, in the orders that [shuttle](https://docs.rs/shuttle) chooses. See CONTRIBUTING.md
//! for the command.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{self, Arc};

use shuttle::sync::Once;
use shuttle::thread;

use super::PropagationContext;
use crate::Propagator;

/// As that of the standard library. While one thread makes the value, another one may run.
pub(super) struct OnceLock<T> {
    once: Once,
    value: sync::OnceLock<T>,
}

impl<T: fmt::Debug> OnceLock<T> {
    pub(super) fn new() -> Self {
        Self { once: Once::new(), value: sync::OnceLock::new() }
    }

    pub(super) fn get(&self) -> Option<&T> {
        thread::yield_now();
        self.value.get()
    }

    pub(super) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        self.once.call_once(|| self.value.set(make()).expect("no other thread makes it"));
        self.value.get().expect("it was made")
    }

    pub(super) fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("it is made once"));
        value.map_or(Ok(()), Err)
    }
}

/// The number of orders that each test tries.
const ORDERS: usize = 5_000;

/// The decision and the baggage that a thread sees.
type Seen = (Option<bool>, String);

fn by_dsc(context: &PropagationContext) -> Seen {
    let baggage = context.dsc().to_string();
    (context.sampled(), baggage)
}

fn by_decision(context: &PropagationContext) -> Seen {
    let sampled = context.sampled();
    (sampled, context.dsc().to_string())
}

fn by_child(context: &PropagationContext) -> Seen {
    let child = context.child();
    child.set_transaction("GET /late");
    let baggage = child.trace_data().baggage().map(ToString::to_string);
    (child.sampled(), baggage.unwrap_or_default())
}

/// Hands one trace on from three threads, in many orders. All must see the same. Returns whether that had the name that
/// one of them gives, over all orders.
fn race(
    make: impl Fn(&Propagator) -> PropagationContext + Send + Sync + 'static,
) -> BTreeSet<bool> {
    let outcomes = Arc::new(sync::Mutex::new(BTreeSet::new()));
    let all = Arc::clone(&outcomes);
    shuttle::check_pct(
        move || {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&calls);
            // The rate differs each time that the sampler is called.
            let rate = move || 1.0 / (1 + counted.fetch_add(1, Ordering::Relaxed)) as f64;
            let propagator = Propagator::builder().traces_sampler(move |_| rate()).build().unwrap();
            let context = make(&propagator);
            let threads = [by_dsc, by_decision, by_child].map(|see| {
                let context = context.clone();
                thread::spawn(move || see(&context))
            });
            let seen = BTreeSet::from(threads.map(|thread| thread.join().unwrap()));
            assert_eq!(seen, BTreeSet::from([by_dsc(&context)]));
            assert_eq!(calls.load(Ordering::Relaxed), 1);
            let is_late = seen.iter().any(|(_, baggage)| baggage.contains("late"));
            all.lock().unwrap().insert(is_late);
        },
        ORDERS,
        3,
    );
    let outcomes = outcomes.lock().unwrap();
    outcomes.clone()
}

#[test]
fn started_traces_have_one_decision_and_one_dsc_in_every_order() {
    // The name comes before the DSC is frozen, or after it.
    assert_eq!(race(Propagator::start_new_trace), BTreeSet::from([false, true]));
}

#[test]
fn continued_traces_have_one_decision_and_one_dsc_in_every_order() {
    let named = race(|propagator| {
        let sentry_trace = "771a43a4192642f0b136d5159a501700-b72fa28504b07285";
        let headers = [("sentry-trace", sentry_trace), ("baggage", "sentry-sample_rate=0.5")];
        propagator.continue_trace(&headers[..])
    });
    assert_eq!(named, BTreeSet::from([false]));
}
