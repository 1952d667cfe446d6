//! A transaction that another middleware started.

use std::sync::Arc;

use sentry_core::protocol::SpanStatus;
use sentry_core::{ClientOptions, TransactionContext};
use tracehop::NotContinued;
use tracehop_sentry::SentryRecorder;

use super::{DSC, PARENT, TRACE_ID, capturing, child_of, headers, items, options, sdk};

#[test]
fn contexts_move_to_a_running_transaction() {
    let continued = |sampled: &str| format!("{TRACE_ID}-{PARENT}{sampled}");
    // The headers that we read, the rate of the SDK, and the headers that the SDK reads.
    let fixed = |rate| ClientOptions::new().traces_sample_rate(rate);
    for (ours, sdk, theirs, sampled, sample_rate) in [
        (String::new(), fixed(1.0), String::new(), Some(true), Some(1.0)),
        (String::new(), fixed(0.1), String::new(), None, Some(0.1)),
        (String::new(), ClientOptions::new(), String::new(), None, None),
        (continued("-1"), fixed(0.0), continued("-1"), Some(true), None),
        (continued("-0"), fixed(1.0), continued("-0"), Some(false), None),
        (continued(""), fixed(1.0), continued(""), Some(true), Some(1.0)),
        (continued(""), ClientOptions::new(), continued(""), None, None),
        (
            continued("-1"),
            ClientOptions::new().traces_sampler(|_: &_| 0.0),
            continued("-1"),
            Some(false),
            None,
        ),
        (continued("-1"), fixed(1.0), String::new(), Some(true), Some(1.0)),
        (String::new(), fixed(1.0), continued("-1"), Some(true), None),
    ] {
        let propagator = options().traces_sample_rate(0.5).build().unwrap();
        let recorder = SentryRecorder::new();
        let (sent, hub) = capturing(&recorder, sdk);
        let hub = child_of(&hub);
        let read = headers(&theirs, "");
        let read = read.iter().map(|(name, value)| (&**name, &**value));
        let details = TransactionContext::continue_from_headers("GET /a", "http.server", read);
        let running = hub.start_transaction(details);
        hub.configure_scope(|scope| scope.set_span(Some(running.clone().into())));

        let before =
            propagator.continue_trace(&headers(&ours, if ours.is_empty() { "" } else { DSC }));
        before.set_transaction("GET /a");
        let transaction =
            recorder.start_transaction(&before, Arc::clone(&hub), "GET", "http.server");
        assert!(!transaction.is_own());
        let context = transaction.context().clone();
        let trace = running.get_trace_context();
        let case = format!("{ours:?} {theirs:?}");
        assert_eq!(context.trace_id().to_string(), trace.trace_id.to_string(), "{case}");
        assert_eq!(context.span_id().to_string(), trace.span_id.to_string(), "{case}");
        let parent = trace.parent_span_id.map(|id| id.to_string());
        assert_eq!(context.parent_span_id().map(|id| id.to_string()), parent, "{case}");
        let position = running.iter_headers().next().unwrap().1;
        assert_eq!(context.trace_data().sentry_trace(), position, "{case}");
        if sampled.is_some() || sample_rate.is_none() {
            assert_eq!(context.sampled(), sampled, "{case}");
        }
        assert_eq!(context.sample_rate().map(|rate| rate.get()), sample_rate, "{case}");
        if ours == theirs {
            assert_eq!(context.is_continued(), !ours.is_empty(), "{case}");
        } else {
            let reason = if ours.is_empty() {
                NotContinued::NoTrace
            } else {
                NotContinued::OtherTransaction
            };
            assert_eq!(context.not_continued(), Some(&reason), "{case}");
        }
        if !context.is_continued() {
            let dsc = context.dsc();
            assert_eq!(dsc.trace_id(), Some(context.trace_id()), "{case}");
            assert_eq!(dsc.sampled(), context.sampled(), "{case}");
            assert_eq!(dsc.sample_rate(), context.sample_rate(), "{case}");
            if let (Some(sampled), Some(rate)) = (context.sampled(), context.sample_rate()) {
                assert_eq!(context.sample_rand().is_sampled_at(rate), sampled, "{case}");
            }
        }
        // The other middleware finishes the transaction, which is then in the trace of the context.
        transaction.finish(SpanStatus::Aborted);
        assert_eq!(sent.take().len(), 0, "{case}");
        running.finish();
        for sent in sent.take() {
            assert_eq!(sent.dsc(), items(&context), "{case}");
            assert_eq!(sent.trace("status"), "", "{case}");
        }
    }
}

#[test]
fn sample_rand_agrees_with_the_running_transaction() {
    let propagator = options().build().unwrap();
    let recorder = SentryRecorder::new();
    let (_sent, hub) = capturing(&recorder, sdk().traces_sample_rate(0.5));
    for _ in 0..64 {
        let hub = child_of(&hub);
        let running = hub.start_transaction(TransactionContext::new("GET /a", "http.server"));
        hub.configure_scope(|scope| scope.set_span(Some(running.into())));
        let transaction =
            recorder.start_transaction(&propagator.start_new_trace(), hub, "GET", "a");
        let dsc = transaction.context().dsc();
        let (rand, rate) = (dsc.sample_rand().unwrap(), dsc.sample_rate().unwrap());
        assert_eq!(Some(rand.is_sampled_at(rate)), dsc.sampled());
    }
}
