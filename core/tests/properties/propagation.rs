use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tracehop::{Extractor, Injector, PropagationContext, Propagator};

use crate::{any_line, baggage_lines, config, is_header_value, is_tidy, sentry_trace, tidy_line};

const URL: &str = "https://api.example.com/";

type Lines = Vec<(String, Vec<u8>)>;

/// Services with all kinds of options.
fn propagator() -> impl Strategy<Value = Propagator> {
    let options = (any::<[bool; 5]>(), prop::option::of(0.0..=1.0), any::<Option<f64>>());
    options.prop_map(|([has_org, is_strict, reads, writes, has_dsn], rate, sampler)| {
        let mut builder = Propagator::builder()
            .strict_trace_continuation(is_strict)
            .continue_traceparent(reads)
            .propagate_traceparent(writes);
        if has_org {
            builder = builder.org_id(1);
        }
        if has_dsn {
            builder = builder.dsn("https://key@o1.ingest.sentry.io/1").release("shop@1.4.0");
        }
        if let Some(rate) = rate {
            builder = builder.traces_sample_rate(rate);
        }
        if let Some(answer) = sampler {
            builder = builder.traces_sampler(move |context| context.inherit_or_sample_with(answer));
        }
        builder.build().unwrap()
    })
}

/// Header lines of any content.
fn any_headers() -> impl Strategy<Value = Lines> {
    let name =
        select(&["sentry-trace", "Sentry-Trace", "baggage", "traceparent", "tracestate"][..]);
    let value = prop_oneof![
        3 => sentry_trace().prop_map(|value| value.to_string().into_bytes()),
        2 => any_line(),
        2 => tidy_line(),
        1 => Just(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_vec()),
        1 => Just(b"a=1, vendor@system=x".to_vec()),
    ];
    vec((name.prop_map(str::to_owned), value), 0..6)
}

/// Headers of a trace that every service without an organisation continues.
fn trace() -> impl Strategy<Value = Lines> {
    (sentry_trace(), baggage_lines()).prop_map(|(value, lines)| {
        let trace = ("sentry-trace".to_owned(), value.to_string().into_bytes());
        let lines = lines.into_iter().map(|line| ("baggage".to_owned(), line));
        [trace].into_iter().chain(lines).collect()
    })
}

fn sent(context: &PropagationContext) -> Lines {
    let mut lines = Lines::new();
    context.inject_to(URL, &mut lines);
    lines
}

/// Injects a context into a carrier, and returns the context of the service that extracts it.
fn through<C: Injector + Extractor>(
    context: &PropagationContext,
    propagator: &Propagator,
    mut carrier: C,
) -> PropagationContext {
    context.inject(&mut carrier);
    propagator.continue_trace(&carrier)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_input_gives_valid_output(
        propagator in propagator(), headers in any_headers(), transaction in ".{0,20}|.{3000}",
    ) {
        let context = propagator.continue_trace(&headers);
        context.set_transaction(transaction);
        assert!(is_tidy(context.dsc().as_baggage()));
        assert!(context.dsc().as_baggage().members().all(|it| it.sentry_name().is_some()));
        let pairs = sent(&context);
        let data = context.trace_data();
        let listed: Lines =
            data.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        assert_eq!(&pairs, &listed);
        for (name, value) in data.iter() {
            assert!(is_header_value(value), "{}: {}", name, value);
        }
        let timing = data.server_timing();
        let quoted: Vec<&str> = timing.split('"').skip(1).step_by(2).collect();
        let values = [Some(data.sentry_trace()), data.baggage().map(|list| list.as_str())];
        assert_eq!(quoted, values.into_iter().flatten().collect::<Vec<_>>());
        assert!(is_header_value(&timing) && timing.ends_with('"'));
        if let Some(rate) = context.sample_rate() {
            assert_eq!(context.sampled(), Some(context.sample_rand().is_sampled_at(rate)));
        }
    }

    #[test]
    fn every_carrier_hands_on_the_same_trace(
        propagator in propagator(), headers in prop_oneof![trace(), any_headers()],
    ) {
        let context = propagator.continue_trace(&headers);
        let mut next_services = vec![
            through(&context, &propagator, Lines::new()),
            through(&context, &propagator, Vec::<(String, String)>::new()),
            through(&context, &propagator, HashMap::<String, String>::new()),
            through(&context, &propagator, BTreeMap::<String, Vec<u8>>::new()),
            through(&context, &propagator, Command::new("job")),
        ];
        #[cfg(feature = "http")]
        next_services.push(through(&context, &propagator, http::HeaderMap::new()));
        #[cfg(feature = "actix-http")]
        next_services.push(through(&context, &propagator, actix_http::header::HeaderMap::new()));
        next_services.push(propagator.continue_trace(&sent(&next_services[0])));
        for next in next_services {
            assert_eq!(next.not_continued(), None);
            assert_eq!(next.trace_id(), context.trace_id());
            assert_eq!(next.dsc(), context.dsc());
            assert_eq!(next.sampled(), context.sampled());
        }
    }

    #[test]
    fn application_baggage_stays_first_and_unchanged(
        headers in trace(), own in vec("[a-z]{1,9}=[a-z%0-9]{0,90}", 0..90),
    ) {
        let context = Propagator::builder().build().unwrap().continue_trace(&headers);
        let mut request = vec![("baggage".to_owned(), own.join(", "))];
        context.inject_to(URL, &mut request);
        let written = &request.iter().find(|(name, _)| name == "baggage").unwrap().1;
        if context.dsc().is_empty() {
            assert_eq!(written, &own.join(", "));
        } else if own.is_empty() {
            assert_eq!(written, context.dsc().as_str());
        } else {
            let ours = written.strip_prefix(&own.join(",")).unwrap().trim_start_matches(',');
            assert!(context.dsc().as_str().starts_with(ours));
            assert!(ours.is_empty() || written.len() <= 8192 && written.split(',').count() <= 64);
        }
    }
}
