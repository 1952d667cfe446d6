use tracehop::{Propagator, SampleRate, SpanPosition};

use crate::{SPAN_ID, TRACE_ID, incoming, outgoing, value};

const COMPLETE: &str = "sentry-zebra=1;p,sentry-trace_id=771a43a4192642f0b136d5159a501700,\
    sentry-sample_rand=0.4,sentry-sample_rate=0.50,sentry-sampled=true";

#[test]
fn head_of_trace_writes_all_known_items() {
    let propagator = Propagator::builder()
        .dsn("https://key:secret@o7.ingest.sentry.io/1")
        .release("shop@1.4.0")
        .environment("pre prod")
        .traces_sample_rate(1.0)
        .build()
        .unwrap();
    let context = propagator.start_new_trace();
    context.set_transaction("GET /users/{id}");
    assert_eq!(
        value(&outgoing(&context), "baggage").unwrap(),
        format!(
            "sentry-trace_id={},sentry-sample_rand={},sentry-sample_rate=1,sentry-sampled=true,\
             sentry-public_key=key,sentry-org_id=7,sentry-release=shop%401.4.0,\
             sentry-environment=pre%20prod,sentry-transaction=GET%20%2Fusers%2F%7Bid%7D",
            context.trace_id(),
            context.sample_rand(),
        )
    );
}

#[test]
fn tracing_without_performance_writes_no_decision() {
    let context = Propagator::builder().build().unwrap().start_new_trace();
    context.set_transaction("GET /");
    let names: Vec<_> = context.dsc().iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["trace_id", "sample_rand", "environment"]);
    assert_eq!(
        value(&outgoing(&context), "sentry-trace").unwrap(),
        format!("{}-{}", context.trace_id(), context.span_id())
    );
}

#[test]
fn decision_agrees_with_the_written_dsc() {
    for rate in [0.0, 1e-7, 0.1, 0.3, 0.5, 0.999_999_5, 1.0] {
        let propagator = Propagator::builder().traces_sample_rate(rate).build().unwrap();
        for _ in 0..200 {
            let context = propagator.start_new_trace();
            let dsc = context.dsc();
            assert_eq!(dsc.sample_rate().unwrap().get(), rate);
            let sampled = dsc.sample_rand().unwrap().is_sampled_at(dsc.sample_rate().unwrap());
            assert_eq!((dsc.sampled(), context.sampled()), (Some(sampled), Some(sampled)));
        }
    }
}

#[test]
fn transaction_name_counts_until_the_freeze() {
    let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();
    let context = propagator.start_new_trace();
    context.set_transaction("first");
    context.clone().set_transaction("second");
    let before = outgoing(&context.child());
    context.set_transaction("third");
    assert_eq!(context.dsc().transaction().as_deref(), Some("second"));
    assert_eq!(value(&outgoing(&context), "baggage"), value(&before, "baggage"));
}

#[test]
fn reading_or_sending_the_dsc_freezes_it() {
    let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();
    let uses: [fn(&tracehop::PropagationContext); 4] = [
        |context| assert!(context.trace_data().baggage().is_some()),
        |context| assert!(!context.dsc().is_empty()),
        |context| drop(outgoing(context)),
        |context| context.inject(&mut crate::Headers::new()),
    ];
    for use_dsc in uses {
        let context = propagator.start_new_trace();
        use_dsc(&context);
        context.set_transaction("late");
        assert_eq!(context.dsc().transaction(), None);
    }
}

#[test]
fn getters_and_debug_make_no_decision() {
    let context = Propagator::builder()
        .traces_sampler(|context| if context.name() == Some("yes") { 1.0 } else { 0.0 })
        .build()
        .unwrap()
        .start_new_trace();
    let _ = format!("{context:?} {:?} {}", context.parent_span_id(), context.is_continued());
    context.set_transaction("yes");
    assert_eq!(context.sampled(), Some(true));
}

#[test]
fn incoming_dsc_is_handed_on_unchanged() {
    for (options, decision) in [
        (Propagator::builder(), "-1"),
        (Propagator::builder(), "-0"),
        (Propagator::builder(), ""),
        (Propagator::builder().traces_sample_rate(0.1), "-1"),
        (Propagator::builder().traces_sample_rate(0.1), "-0"),
    ] {
        let propagator =
            options.release("ours").dsn("https://ours@sentry.example/1").build().unwrap();
        let context = propagator.continue_trace(&incoming(decision, COMPLETE));
        context.set_transaction("ours");
        let sent = outgoing(&context);
        assert_eq!(value(&sent, "baggage"), Some(COMPLETE));
        assert!(
            value(&sent, "sentry-trace")
                .unwrap()
                .ends_with(&format!("{}{decision}", context.span_id()))
        );
    }
}

#[test]
fn lines_are_joined_without_other_vendors() {
    let mut headers = incoming("-1", "other=1, sentry-a = 1 ,sentry-sample_rand=0.5");
    headers.push(("baggage".to_owned(), "sentry-b=%2f;p,another=2".to_owned()));
    let context = Propagator::builder().build().unwrap().continue_trace(&headers);
    let sent = outgoing(&context);
    assert_eq!(value(&sent, "baggage"), Some("sentry-a=1,sentry-sample_rand=0.5,sentry-b=%2f;p"));
}

#[test]
fn traces_without_a_dsc_stay_without_one() {
    for baggage in ["", "other=1", "sentry-=x"] {
        let propagator =
            Propagator::builder().traces_sample_rate(1.0).release("ours").build().unwrap();
        let context = propagator.continue_trace(&incoming("", baggage));
        assert_eq!(context.sampled(), Some(true));
        assert!(context.dsc().is_empty());
        let sent = outgoing(&context);
        assert_eq!(sent.len(), 1, "{sent:?}");
    }
}

#[test]
fn missing_sample_rand_is_added_and_agrees() {
    for (decision, sampled, rate) in
        [("-1", true, "0.25"), ("-0", false, "0.25"), ("-1", true, "0.000001")]
    {
        let baggage = format!("sentry-sample_rate={rate}");
        let propagator = Propagator::builder().build().unwrap();
        let context = propagator.continue_trace(&incoming(decision, &baggage));
        let rand = context.sample_rand();
        assert_eq!(rand.is_sampled_at(rate.parse().unwrap()), sampled);
        let expected = format!("{baggage},sentry-sample_rand={rand}");
        assert_eq!(value(&outgoing(&context), "baggage"), Some(&*expected));
        // Every service computes the same number from the same incoming values.
        assert_eq!(propagator.continue_trace(&incoming(decision, &baggage)).sample_rand(), rand);
    }
}

#[test]
fn malformed_sample_rand_is_replaced_in_place() {
    let context = Propagator::builder()
        .build()
        .unwrap()
        .continue_trace(&incoming("", "sentry-sample_rand=1.5,sentry-a=1"));
    let expected = format!("sentry-sample_rand={},sentry-a=1", context.sample_rand());
    assert_eq!(value(&outgoing(&context), "baggage"), Some(&*expected));
}

#[test]
fn incoming_sample_rand_decides_and_keeps_its_digits() {
    let propagator = Propagator::builder().traces_sample_rate(0.123_456_785).build().unwrap();
    for (rand, sampled) in [("0.12345678", true), ("0.12345679", false)] {
        let baggage = format!("sentry-trace_id={TRACE_ID},sentry-sample_rand={rand}");
        let context = propagator.continue_trace(&incoming("", &baggage));
        assert_eq!(context.sampled(), Some(sampled));
        let expected = format!("{baggage},sentry-sample_rate=0.123456785");
        assert_eq!(value(&outgoing(&context), "baggage"), Some(&*expected));
    }
}

#[test]
fn full_dsc_stays_unchanged() {
    let filler = "x".repeat(8_192 - "sentry-sample_rate=1,sentry-last=".len());
    let full = format!("sentry-sample_rate=1,sentry-last={filler}");
    let propagator = Propagator::builder().traces_sample_rate(0.123).build().unwrap();
    let context = propagator.continue_trace(&incoming("", &full));
    assert!(context.sample_rate().is_some());
    assert_eq!(value(&outgoing(&context), "baggage"), Some(&*full));
}

/// A shorter rate alone would fit, and leave space for the `sample_rand` that the next service would add. The DSC would
/// then differ between services.
#[test]
fn full_dsc_without_sample_rand_stays_unchanged() {
    let rate = format!("0.5{}", "0".repeat(100));
    let filler = "x".repeat(8_192 - format!("sentry-sample_rate={rate},sentry-last=").len());
    let full = format!("sentry-sample_rate={rate},sentry-last={filler}");
    let propagator = Propagator::builder().traces_sampler(|_| 0.25).build().unwrap();
    let context = propagator.continue_trace(&incoming("-1", &full));
    let sent = outgoing(&context);
    assert_eq!(value(&sent, "baggage"), Some(&*full));
    assert_eq!(propagator.continue_trace(&sent).dsc(), context.dsc());
}

#[test]
fn deferred_traces_get_sample_rand_and_rate() {
    let propagator = Propagator::builder().traces_sample_rate(0.5).build().unwrap();
    let context = propagator.continue_trace(&incoming("", "sentry-release=theirs"));
    let expected = format!(
        "sentry-release=theirs,sentry-sample_rand={},sentry-sample_rate=0.5",
        context.sample_rand()
    );
    assert_eq!(value(&outgoing(&context), "baggage"), Some(&*expected));
}

#[test]
fn rate_is_written_where_this_service_decided() {
    let rate = || Propagator::builder().traces_sample_rate(0.75);
    let sampler = || Propagator::builder().traces_sampler(|_| 0.75);
    let parents = || Propagator::builder().traces_sampler(|c| c.inherit_or_sample_with(0.1));
    let theirs = "sentry-sample_rate=0.50,sentry-sample_rand=0.6,sentry-sampled=false";
    let ours = "sentry-sample_rate=0.75,sentry-sample_rand=0.6,sentry-sampled=false";
    let deferred = "sentry-sample_rand=0.6";
    let table = [
        (rate(), "-0", theirs, theirs.to_owned(), Some(false)),
        (sampler(), "-0", theirs, ours.to_owned(), Some(true)),
        (parents(), "-0", theirs, theirs.to_owned(), Some(false)),
        (rate(), "", deferred, format!("{deferred},sentry-sample_rate=0.75"), Some(true)),
        (sampler(), "", deferred, format!("{deferred},sentry-sample_rate=0.75"), Some(true)),
        (parents(), "", deferred, format!("{deferred},sentry-sample_rate=0.1"), Some(false)),
    ];
    for (options, decision, received, expected, sampled) in table {
        let context = options.build().unwrap().continue_trace(&incoming(decision, received));
        assert_eq!(context.sampled(), sampled, "{received}");
        assert_eq!(value(&outgoing(&context), "baggage"), Some(&*expected));
    }
}

#[test]
fn spans_of_another_trace_get_a_number_that_fits_their_decision() {
    let propagator = Propagator::builder().build().unwrap();
    let rate = SampleRate::new(0.25).unwrap();
    // The number depends on the trace id, so one id alone could fit by chance.
    for (n, sampled) in (1..40).zip([true, false].into_iter().cycle()) {
        let ids = format!("{n:032x}-{SPAN_ID}-{}", u8::from(sampled));
        let mut position = SpanPosition::new(ids.parse().unwrap());
        position.sample_rate = Some(rate);
        let context = propagator.start_new_trace().at_span(position);
        let dsc = context.dsc();
        assert_eq!((dsc.sampled(), dsc.sample_rate()), (Some(sampled), Some(rate)), "{ids}");
        let sample_rand = dsc.sample_rand().unwrap().get();
        assert_eq!(sample_rand < rate.get(), sampled, "{ids}: {sample_rand}");
    }
}
