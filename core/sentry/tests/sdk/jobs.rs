//! Jobs that a request or another job hands its trace to.

use std::sync::Arc;

use sentry_core::Hub;
use sentry_core::protocol::SpanStatus;
use tokio::task::JoinHandle;
use tracehop::{InTrace as _, PropagationContext};
use tracehop_sentry::{ChildSpan, SentryRecorder};

use super::{capture, capturing, child_of, items, options, sdk};

#[test]
fn jobs_on_other_threads_run_in_the_hub() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    let before = propagator.start_new_trace();
    let transaction = recorder.start_transaction(&before, child_of(&hub), "GET", "http.server");
    let context = transaction.context().clone();
    let of_transaction = Arc::clone(transaction.hub());
    let is_in_hub = || Arc::ptr_eq(&Hub::current(), &of_transaction);
    // The context that the transaction was started from carries no hub.
    assert!(!before.in_scope(is_in_hub));

    let span = ChildSpan::start(&context, "queue.publish", "orders").unwrap();
    let carrying = [context.clone(), context.child(), span.context().clone()];
    span.finish(SpanStatus::Ok);
    std::thread::scope(|scope| {
        for context in &carrying {
            scope.spawn(|| {
                assert!(!is_in_hub());
                context.in_scope(|| {
                    assert!(is_in_hub());
                    let current = PropagationContext::current().unwrap();
                    assert_eq!(current.span_id(), context.span_id());
                    capture(&Hub::current(), "in a job");
                });
                assert!(!is_in_hub());
            });
        }
    });
    assert_eq!(sent.take().len(), 3);

    // The job ends after the response is sent.
    transaction.finish(SpanStatus::Ok);
    assert_eq!(sent.take().len(), 1);
    let late = context.clone();
    std::thread::spawn(move || late.in_scope(|| capture(&Hub::current(), "late"))).join().unwrap();
    let [error] = &*sent.take() else { panic!("one error") };
    assert_eq!(error.payload["message"], "late");
    assert_eq!(error.trace("trace_id"), context.trace_id().to_string());
    assert_eq!(error.trace("span_id"), context.span_id().to_string());
    assert_eq!(error.dsc(), items(&context));
}

#[test]
fn contexts_without_scope_run_in_the_current_hub() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (_sent, hub) = capturing(&recorder, sdk());
    let context = propagator.start_new_trace();
    let transaction = recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
    let without = transaction.context().clone().without_scope();
    Hub::run(Arc::clone(&hub), || {
        without.in_scope(|| assert!(Arc::ptr_eq(&Hub::current(), &hub)));
        transaction.context().in_scope(|| {
            assert!(Arc::ptr_eq(&Hub::current(), transaction.hub()));
        });
        assert!(Arc::ptr_eq(&Hub::current(), &hub));
    });
}

#[tokio::test]
async fn spawned_tasks_take_trace_and_hub_along() {
    // The tasks take turns.
    async fn job() -> Arc<Hub> {
        for _ in 0..3 {
            tokio::task::yield_now().await;
            capture(&Hub::current(), "in a task");
        }
        Hub::current()
    }

    async fn handler() -> JoinHandle<Arc<Hub>> {
        tokio::spawn(job().in_current_trace())
    }

    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    let transactions = [(); 2].map(|()| {
        let context = propagator.start_new_trace();
        recorder.start_transaction(&context, child_of(&hub), "GET", "http.server")
    });
    let mut tasks = Vec::new();
    for transaction in &transactions {
        tasks.push(handler().in_trace(transaction.context().clone()).await);
    }
    for (task, transaction) in tasks.into_iter().zip(&transactions) {
        assert!(Arc::ptr_eq(&task.await.unwrap(), transaction.hub()));
    }
    let sent = sent.take();
    assert_eq!(sent.len(), 6);
    for transaction in &transactions {
        let context = transaction.context();
        let trace_id = context.trace_id().to_string();
        let of_trace: Vec<_> =
            sent.iter().filter(|error| error.trace("trace_id") == trace_id).collect();
        assert_eq!(of_trace.len(), 3);
        for error in of_trace {
            assert_eq!(error.dsc(), items(context));
        }
    }
}
