//! Several threads hand on one trace at the same time. The first one freezes the DSC for all.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracehop::{PropagationContext, Propagator};

use crate::{incoming, outgoing};

const THREADS: usize = 8;

/// Starts all threads at the same time, and returns the decision and the outgoing baggage of each.
fn race(context: &PropagationContext) -> BTreeSet<(Option<bool>, String)> {
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                let (context, barrier) = (context.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    context.set_transaction(format!("GET /{n}"));
                    let context = if n % 2 == 0 { context.child() } else { context };
                    // Half of the threads ask for the decision before they hand the trace on.
                    let early = (n < THREADS / 2).then(|| context.sampled());
                    let baggage = match n % 4 {
                        0 => context.dsc().to_string(),
                        1 => outgoing(&context).swap_remove(1).1,
                        2 => context.trace_data().baggage().unwrap().to_string(),
                        _ => {
                            let timing = context.trace_data().server_timing();
                            let (_, baggage) = timing.split_once("baggage;desc=\"").unwrap();
                            baggage.trim_end_matches('"').to_owned()
                        }
                    };
                    (early.unwrap_or_else(|| context.sampled()), baggage)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn racing_threads_see_one_decision_and_one_dsc() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    const ROUNDS: usize = 1_000;
    let propagator = Propagator::builder()
        .release("shop@1.4.0")
        // The rate differs each time that the sampler is called.
        .traces_sampler(|_| 1.0 / (1 + CALLS.fetch_add(1, Ordering::Relaxed)) as f64)
        .build()
        .unwrap();
    for round in 0..ROUNDS {
        let context = match round % 3 {
            0 => propagator.start_new_trace(),
            1 => propagator.continue_trace(&incoming("-1", "sentry-release=theirs")),
            _ => propagator
                .continue_trace(&incoming("", "sentry-sample_rand=0.5,sentry-sample_rate=1")),
        };
        let seen = race(&context);
        assert_eq!(seen, BTreeSet::from([(context.sampled(), context.dsc().to_string())]));
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), ROUNDS);
}
