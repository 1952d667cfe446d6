//! Transactions, and the errors in them.

use std::sync::Arc;

use sentry_core::protocol::SpanStatus;
use sentry_core::{ClientOptions, TransactionContext};
use tracehop_sentry::SentryRecorder;

use super::{DSC, PARENT, TRACE_ID, capture, capturing, child_of, headers, items, options, sdk};

#[test]
fn transactions_and_errors_have_the_context_position() {
    let continued = |sampled: &str| format!("{TRACE_ID}-{PARENT}{sampled}");
    for (rate, sentry_trace, baggage, is_sent) in [
        (Some(1.0), String::new(), "", true),
        (Some(0.0), String::new(), "", false),
        (None, String::new(), "", false),
        (Some(0.0), continued("-1"), DSC, true),
        (Some(1.0), continued("-0"), DSC, false),
        (Some(1.0), continued(""), DSC, true),
        (Some(0.1), continued(""), DSC, false),
        (None, continued(""), DSC, false),
        // Tracing without performance: the decision is handed on, and no spans are sent.
        (None, continued("-1"), DSC, false),
        // The head of the trace sends no DSC, and no other service may add one.
        (Some(1.0), continued("-1"), "", true),
    ] {
        let mut builder = options();
        if let Some(rate) = rate {
            builder = builder.traces_sample_rate(rate);
        }
        let propagator = builder.build().unwrap();
        let recorder = SentryRecorder::new();
        let (sent, hub) = capturing(&recorder, sdk().traces_sample_rate(0.5));
        let context = propagator.continue_trace(&headers(&sentry_trace, baggage));
        context.set_transaction("GET /users/{id}");
        let transaction =
            recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
        capture(transaction.hub(), "boom");
        transaction.set_origin("auto.http.test");
        transaction.finish_with_http_status(404);

        let sent = sent.take();
        let case = format!("{rate:?} {sentry_trace}");
        let [error, rest @ ..] = &*sent else { panic!("{case}: nothing was sent") };
        assert_eq!(error.payload["message"], "boom");
        assert_eq!(error.payload["transaction"], "GET /users/{id}");
        assert_eq!(rest.len(), usize::from(is_sent), "{case}");
        let parent = if context.is_continued() { PARENT } else { "" };
        for sent in &sent {
            assert_eq!(sent.trace("trace_id"), context.trace_id().to_string(), "{case}");
            assert_eq!(sent.trace("span_id"), context.span_id().to_string(), "{case}");
            assert_eq!(sent.trace("parent_span_id"), parent, "{case}");
            assert_eq!(sent.dsc(), items(&context), "{case}");
            assert!(sent.headers["event_id"].is_string());
        }
        if let [transaction] = rest {
            assert!(transaction.is_transaction());
            assert_eq!(transaction.payload["transaction"], "GET /users/{id}");
            assert_eq!(transaction.trace("op"), "http.server");
            assert_eq!(transaction.trace("origin"), "auto.http.test");
            assert_eq!(transaction.trace("status"), "not_found");
            let data = &transaction.payload["contexts"]["trace"]["data"];
            assert_eq!(data["http.response.status_code"], 404);
        }
    }
}

#[test]
fn transactions_have_the_last_name_of_the_context() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    for (before, after, expected) in [
        (None, None, "GET"),
        (Some("GET /a"), None, "GET /a"),
        (Some("GET /a"), Some("GET /b"), "GET /b"),
        (None, Some("GET /b"), "GET /b"),
    ] {
        let context = propagator.start_new_trace();
        context.set_transaction(before.unwrap_or_default());
        let transaction =
            recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
        if let Some(after) = after {
            context.set_transaction(after);
        }
        transaction.finish(SpanStatus::Ok);
        assert_eq!(sent.take()[0].payload["transaction"], expected);
    }
    // A name that the application gave to the SDK stays.
    let context = propagator.start_new_trace();
    let transaction = recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
    transaction.hub().configure_scope(|scope| scope.set_transaction(Some("mine")));
    transaction.finish(SpanStatus::Ok);
    assert_eq!(sent.take()[0].payload["transaction"], "mine");
}

#[test]
fn dropped_transactions_are_cancelled_or_failed() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    let start = || {
        let context = propagator.start_new_trace();
        recorder.start_transaction(&context, child_of(&hub), "GET", "http.server")
    };
    drop(start());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _transaction = start();
        panic!("on purpose");
    }));
    assert!(panic.is_err());
    let sent = sent.take();
    let statuses: Vec<_> = sent.iter().map(|sent| sent.trace("status")).collect();
    assert_eq!(statuses, ["cancelled", "internal_error"]);
}

#[test]
fn transactions_have_the_tags_of_the_scope() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    let context = propagator.start_new_trace();
    let transaction = recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
    transaction.hub().configure_scope(|scope| scope.set_tag("shop", "1"));
    transaction.finish(SpanStatus::Ok);
    assert_eq!(sent.take()[0].payload["tags"]["shop"], "1");
}

#[test]
fn sampler_of_the_sdk_decides_last() {
    for (ours, theirs) in [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        let propagator = options().traces_sample_rate(ours).build().unwrap();
        let sampler = move |_: &TransactionContext| theirs as f32;
        let recorder = SentryRecorder::new();
        let (sent, hub) = capturing(&recorder, ClientOptions::new().traces_sampler(sampler));
        let context = propagator.start_new_trace();
        let transaction =
            recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
        assert_eq!(context.sampled(), Some(theirs == 1.0));
        assert_eq!(context.dsc().sampled(), Some(theirs == 1.0));
        assert_eq!(context.sample_rate().is_some(), ours == theirs);
        transaction.finish(SpanStatus::Ok);
        assert_eq!(sent.take().len(), usize::from(theirs == 1.0));
    }
}

#[test]
fn decisions_that_were_handed_on_stay() {
    for sentry_trace in ["", &format!("{TRACE_ID}-{PARENT}"), &format!("{TRACE_ID}-{PARENT}-1")] {
        let propagator = options().traces_sample_rate(1.0).build().unwrap();
        let sampler = |_: &TransactionContext| 0.0;
        let recorder = SentryRecorder::new();
        let (_sent, hub) = capturing(&recorder, ClientOptions::new().traces_sampler(sampler));
        let context = propagator.continue_trace(&headers(sentry_trace, ""));
        let before = context.trace_data().sentry_trace().to_owned();
        assert!(before.ends_with("-1"));
        let _transaction =
            recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
        assert_eq!(context.trace_data().sentry_trace(), before);
    }
}

#[test]
fn requests_in_one_hub_have_own_transactions() {
    let propagator = options().traces_sample_rate(1.0).build().unwrap();
    let recorder = SentryRecorder::new();
    let (sent, shared) = capturing(&recorder, sdk());
    let contexts = [(); 3].map(|()| propagator.start_new_trace());
    let start =
        |context| recorder.start_transaction(context, Arc::clone(&shared), "GET", "http.server");
    // The first two run at the same time, the third when both are finished.
    let running = contexts[..2].iter().map(start).collect::<Vec<_>>();
    for transaction in running {
        capture(transaction.hub(), "boom");
        transaction.finish_with_http_status(200);
    }
    let last = start(&contexts[2]);
    capture(last.hub(), "boom");
    last.finish_with_http_status(200);

    let sent = sent.take();
    assert_eq!(sent.len(), 6);
    for (pair, context) in sent.chunks(2).zip(&contexts) {
        assert!(!pair[0].is_transaction() && pair[1].is_transaction());
        for sent in pair {
            assert_eq!(sent.trace("trace_id"), context.trace_id().to_string());
            assert_eq!(sent.trace("span_id"), context.span_id().to_string());
        }
    }
}
