//! Many positions of one trace at the same time: trace ids are client input.

use std::sync::Arc;

use sentry_core::Hub;
use sentry_core::protocol::{Event, SpanStatus, TraceContext};
use tracehop::{PropagationContext, SpanId};
use tracehop_sentry::{SentryRecorder, Transaction};

use super::{DSC, PARENT, TRACE_ID, capture, capturing, child_of, headers, items, options, sdk};

const POSITIONS: usize = 15_000;

#[test]
fn thousands_of_positions_keep_their_own_dsc() {
    // Each position has a rate, and so a DSC, of its own.
    let propagator = options()
        .traces_sampler(|context| 1.0 / context.name().unwrap().parse::<f64>().unwrap())
        .build()
        .unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    let carrier = headers(&format!("{TRACE_ID}-{PARENT}-1"), DSC);
    let start = |number: usize| {
        let context = propagator.continue_trace(&carrier);
        context.set_transaction(number.to_string());
        recorder.start_transaction(&context, child_of(&hub), "a", "task")
    };
    let assert_own_dsc = |transaction: &Transaction| {
        let context = transaction.context();
        // Captured with a hub that does not know the context.
        let mut event = Event::default();
        let trace = TraceContext {
            trace_id: context.trace_id().to_bytes().into(),
            span_id: context.span_id().to_bytes().into(),
            ..TraceContext::default()
        };
        event.contexts.insert("trace".to_owned(), trace.into());
        hub.capture_event(event);
        let sent = sent.take();
        let error = sent.iter().find(|sent| !sent.is_transaction()).unwrap();
        assert_eq!(error.dsc(), items(context));
    };

    let mut running: Vec<Option<Transaction>> =
        (1..=POSITIONS).map(|number| Some(start(number))).collect();
    running.iter().flatten().step_by(500).for_each(assert_own_dsc);

    // The transactions end in another order than they started.
    for index in 0..POSITIONS {
        running[index * 7 % POSITIONS] = None;
        if index % 500 == 0 {
            running.iter().flatten().step_by(5_000).for_each(assert_own_dsc);
        }
    }
    sent.take();

    // The recorder does not know the trace any more.
    assert!(running.iter().all(Option::is_none));
    let mut event = Event::default();
    let trace = TraceContext {
        trace_id: TRACE_ID.parse::<tracehop::TraceId>().unwrap().to_bytes().into(),
        span_id: SpanId::random().to_bytes().into(),
        ..TraceContext::default()
    };
    event.contexts.insert("trace".to_owned(), trace.into());
    hub.capture_event(event);
    let [error] = &*sent.take() else { panic!("one error") };
    assert!(!error.dsc().contains("replay_id"), "{error:#?}");
}

#[test]
fn recorders_know_only_their_own_transactions() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorders = [SentryRecorder::new(), SentryRecorder::new()];
    let clients = recorders.each_ref().map(|recorder| capturing(recorder, sdk()));
    let context = propagator.start_new_trace();
    let own = recorders[0].start_transaction(&context, child_of(&clients[0].1), "a", "task");
    // A clone of a recorder is the same recorder.
    let second = propagator.start_new_trace();
    let of_clone =
        recorders[0].clone().start_transaction(&second, child_of(&clients[0].1), "a", "task");
    for transaction in [&own, &of_clone] {
        let span = transaction.hub().configure_scope(|scope| scope.get_span()).unwrap();
        for (index, (sent, hub)) in clients.iter().enumerate() {
            let hub = child_of(hub);
            hub.configure_scope(|scope| scope.set_span(Some(span.clone())));
            capture(&hub, "boom");
            let [error] = &*sent.take() else { panic!("one error") };
            assert_eq!(error.dsc() == items(transaction.context()), index == 0);
        }
    }
    own.finish(SpanStatus::Ok);
}

#[test]
fn children_of_a_position_find_its_dsc() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    let context = propagator.start_new_trace();
    let transaction = recorder.start_transaction(&context, child_of(&hub), "a", "task");
    let capture_below = |context: &PropagationContext| {
        let hub: Arc<Hub> = child_of(transaction.hub());
        let span = hub.configure_scope(|scope| scope.get_span()).unwrap().start_child("a", "b");
        hub.configure_scope(|scope| scope.set_span(Some(span.into())));
        context.in_scope(|| capture(&hub, "boom"));
        let [error] = &*sent.take() else { panic!("one error") };
        assert_eq!(error.dsc(), items(&context.clone()));
    };
    capture_below(transaction.context());
    capture_below(&transaction.context().child());
    capture_below(&context);
}
