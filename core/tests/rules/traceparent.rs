use tracehop::{NotContinued, Propagator};

use crate::{Headers, SPAN_ID, TRACE_ID, URL, headers, incoming, outgoing, value};

const SAMPLED: &str = "00-771a43a4192642f0b136d5159a501700-b72fa28504b07285-01";
const NOT_SAMPLED: &str = "00-771a43a4192642f0b136d5159a501700-b72fa28504b07285-00";

fn both_directions() -> Propagator {
    Propagator::builder().continue_traceparent(true).propagate_traceparent(true).build().unwrap()
}

#[test]
fn traceparent_is_opt_in_and_has_the_decision() {
    for (decision, flags) in [("-1", "01"), ("-0", "00"), ("", "00")] {
        let headers = incoming(decision, "");
        let off = Propagator::builder().build().unwrap().continue_trace(&headers);
        assert_eq!(value(&outgoing(&off), "traceparent"), None);
        let on = Propagator::builder().propagate_traceparent(true).build().unwrap();
        let on = on.continue_trace(&headers);
        let expected = format!("00-{TRACE_ID}-{}-{flags}", on.span_id());
        assert_eq!(value(&outgoing(&on), "traceparent"), Some(&*expected));
    }
}

#[test]
fn traces_continue_from_traceparent_only_if_turned_on() {
    let off = Propagator::builder().build().unwrap();
    assert!(!off.continue_trace(&headers([("traceparent", SAMPLED)])).is_continued());

    for (line, sampled) in [(SAMPLED, Some(true)), (NOT_SAMPLED, None)] {
        let context = both_directions().continue_trace(&headers([("traceparent", line)]));
        assert!(context.is_continued());
        assert_eq!(context.trace_id().to_string(), TRACE_ID);
        assert_eq!(context.parent_span_id().unwrap().to_string(), SPAN_ID);
        assert_eq!(context.sampled(), sampled);
        assert!(context.dsc().is_empty());
    }
}

#[test]
fn sentry_trace_has_priority_over_traceparent() {
    let other = "00-11111111111111111111111111111111-2222222222222222-01";
    let mut lines = incoming("-0", "");
    lines.extend(headers([("traceparent", other), ("tracestate", "a=1")]));
    let context = both_directions().continue_trace(&lines);
    assert_eq!(
        (context.trace_id().to_string().as_str(), context.sampled()),
        (TRACE_ID, Some(false))
    );
    assert_eq!(value(&outgoing(&context), "tracestate"), None);

    let malformed = headers([("sentry-trace", "1"), ("traceparent", other)]);
    assert!(matches!(
        both_directions().continue_trace(&malformed).not_continued(),
        Some(NotContinued::SentryTrace(_))
    ));
}

#[test]
fn malformed_traceparent_starts_a_new_trace() {
    for lines in [
        headers([
            ("traceparent", "00-771a43a4192642f0b136d5159a501700-b72fa28504b07285"),
            ("tracestate", "a=1"),
        ]),
        headers([("traceparent", SAMPLED), ("traceparent", SAMPLED), ("tracestate", "a=1")]),
    ] {
        let context = both_directions().continue_trace(&lines);
        assert!(matches!(context.not_continued(), Some(NotContinued::Traceparent(_))));
        assert_eq!(value(&outgoing(&context), "tracestate"), None);
    }
}

#[test]
fn tracestate_is_handed_on_as_one_line() {
    let table: [(Headers, Option<&str>); 3] = [
        (headers([("tracestate", "a=1, b=2"), ("tracestate", "c=3")]), Some("a=1,b=2,c=3")),
        (headers([("tracestate", "a=1,B=2")]), None),
        (headers([]), None),
    ];
    for (tracestate, expected) in table {
        let mut lines = headers([("traceparent", SAMPLED)]);
        lines.extend(tracestate);
        let context = both_directions().continue_trace(&lines);
        assert!(context.is_continued());
        assert_eq!(value(&outgoing(&context), "tracestate"), expected);
        assert_eq!(context.trace_data().tracestate(), expected);

        // A `tracestate` is sent only with a `traceparent`.
        let read_only = Propagator::builder().continue_traceparent(true).build().unwrap();
        assert_eq!(value(&outgoing(&read_only.continue_trace(&lines)), "tracestate"), None);
    }
}

#[test]
fn baggage_and_organisation_count_with_a_traceparent() {
    let lines =
        headers([("traceparent", SAMPLED), ("baggage", "sentry-sample_rand=0.5,sentry-org_id=2")]);
    let context = both_directions().continue_trace(&lines);
    assert_eq!(context.dsc().as_str(), "sentry-sample_rand=0.5,sentry-org_id=2");

    let ours = Propagator::builder().continue_traceparent(true).org_id(1).build().unwrap();
    assert!(!ours.continue_trace(&lines).is_continued());
}

#[test]
fn traceparent_set_by_hand_stays() {
    let mut stray = headers([("tracestate", "mine=1")]);
    both_directions()
        .continue_trace(&headers([("traceparent", SAMPLED), ("tracestate", "a=1")]))
        .inject_to(URL, &mut stray);
    assert_eq!(value(&stray, "tracestate"), Some("a=1"));

    let mut request = headers([("traceparent", NOT_SAMPLED)]);
    both_directions()
        .continue_trace(&headers([("traceparent", SAMPLED), ("tracestate", "a=1")]))
        .inject_to(URL, &mut request);
    assert_eq!(value(&request, "traceparent"), Some(NOT_SAMPLED));
    assert_eq!(value(&request, "tracestate"), None);
    assert!(value(&request, "sentry-trace").is_some());
}

#[test]
fn random_flag_of_the_trace_is_handed_on() {
    for (flags, sent) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03")] {
        let line = format!("00-{TRACE_ID}-{SPAN_ID}-{flags}");
        let context = both_directions().continue_trace(&headers([("traceparent", &*line)]));
        let expected = format!("00-{TRACE_ID}-{}-{sent}", context.span_id());
        assert_eq!(value(&outgoing(&context), "traceparent"), Some(&*expected), "{flags}");
    }
    let started = both_directions().start_new_trace();
    assert!(value(&outgoing(&started), "traceparent").unwrap().ends_with("-00"));
}

#[test]
fn tracestate_and_random_flag_pass_two_hops() {
    let first =
        headers([("traceparent", &*format!("00-{TRACE_ID}-{SPAN_ID}-03")), ("tracestate", "a=1")]);
    // The first hop adds a `sentry-trace`, which has priority at the second one.
    let second = outgoing(&both_directions().continue_trace(&first));
    assert!(value(&second, "sentry-trace").is_some());
    let context = both_directions().continue_trace(&second);
    let third = outgoing(&context);
    assert_eq!(value(&third, "tracestate"), Some("a=1"));
    let expected = format!("00-{TRACE_ID}-{}-03", context.span_id());
    assert_eq!(value(&third, "traceparent"), Some(&*expected));

    // The `tracestate` beside a malformed `traceparent` is not sent, nor one whose `traceparent` is not sent.
    let mut malformed = incoming("-1", "");
    malformed.extend(headers([("traceparent", "00-x"), ("tracestate", "a=1")]));
    let context = both_directions().continue_trace(&malformed);
    assert_eq!(context.trace_id().to_string(), TRACE_ID);
    assert_eq!(value(&outgoing(&context), "tracestate"), None);
    let off = Propagator::builder().continue_traceparent(true).build().unwrap();
    assert_eq!(value(&outgoing(&off.continue_trace(&second)), "tracestate"), None);
}

#[test]
fn empty_sentry_trace_beside_traceparent_counts_as_absent() {
    for empty in ["", " \t"] {
        let lines = headers([("sentry-trace", empty), ("traceparent", SAMPLED)]);
        let context = both_directions().continue_trace(&lines);
        assert_eq!(context.trace_id().to_string(), TRACE_ID);
        let only = headers([("sentry-trace", empty)]);
        let reason = both_directions().continue_trace(&only).not_continued().cloned();
        assert_eq!(reason, Some(NotContinued::NoTrace));
    }
}
