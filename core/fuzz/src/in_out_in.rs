use tracehop::{Field, PropagationContext, Propagator};

use crate::input::{Request, relay};
use crate::valid;

/// Sends a request through three services: all are in one trace, with one dynamic sampling context.
pub fn in_out_in(data: &[u8]) {
    let request = Request::new(data);
    let propagator = &request.service.propagator;
    let context = propagator.continue_trace(&request.incoming);
    let sent = valid::headers(&context);
    goes_on(&context, propagator, &sent);
    let passed_on = goes_on(&context, relay(), &sent);
    goes_on(&context, propagator, &passed_on);
    keeps_what_the_application_wrote(&context, &request.own);
}

/// Continues the trace in the next service, which sees the same trace, decision and DSC. Returns its outgoing headers.
fn goes_on(
    context: &PropagationContext,
    propagator: &Propagator,
    sent: &[(String, Vec<u8>)],
) -> Vec<(String, Vec<u8>)> {
    let next = propagator.continue_trace(sent);
    assert_eq!(next.not_continued(), None);
    assert_eq!(next.trace_id(), context.trace_id());
    assert_eq!(next.dsc(), context.dsc());
    assert_eq!(next.sampled(), context.sampled());
    if context.dsc().sample_rand().is_some() {
        assert_eq!(next.sample_rand(), context.sample_rand());
    }
    // The DSC is the same, so these headers are as valid as those of the first service.
    let mut sent = Vec::new();
    next.child().inject_to("https://api.example.com/", &mut sent);
    sent
}

fn keeps_what_the_application_wrote(context: &PropagationContext, own: &[(String, Vec<u8>)]) {
    let mut request = own.to_vec();
    context.inject_to("https://api.example.com/", &mut request);
    let of = |headers: &[(String, Vec<u8>)], field: Field| -> Vec<Vec<u8>> {
        let lines = headers.iter().filter(|(name, _)| name == field.name());
        lines.map(|(_, value)| value.clone()).collect()
    };
    // Empty lines count as absent, also as an empty list.
    let has_value = |field: Field| of(own, field).concat().iter().any(|it| !b" \t,".contains(it));
    if has_value(Field::SentryTrace) {
        assert_eq!(request, own);
        return;
    }
    assert_eq!(of(&request, Field::SentryTrace), [context.trace_data().sentry_trace().as_bytes()]);
    if has_value(Field::Traceparent) {
        assert_eq!(of(&request, Field::Traceparent), of(own, Field::Traceparent));
        assert_eq!(of(&request, Field::Tracestate), of(own, Field::Tracestate));
    }
    if context.dsc().is_empty() {
        assert_eq!(of(&request, Field::Baggage), of(own, Field::Baggage));
        return;
    }
    let written = of(&request, Field::Baggage);
    assert_eq!(written.len(), 1);
    let foreign = |lines: &[Vec<u8>]| -> Vec<Vec<u8>> {
        let members = lines.iter().flat_map(|line| line.split(|byte| *byte == b','));
        let members = members.filter(|member| std::str::from_utf8(member).is_ok());
        let members = members.map(|member| trim(member).to_owned());
        members.filter(|it| !it.is_empty() && !it.starts_with(b"sentry-")).collect()
    };
    assert_eq!(foreign(&written), foreign(&of(own, Field::Baggage)));
    let theirs = foreign(&written).join(&b',');
    let ours = written[0].strip_prefix(theirs.as_slice()).unwrap();
    let ours = ours.strip_prefix(b",").unwrap_or(ours);
    assert!(context.dsc().as_str().as_bytes().starts_with(ours));
    assert!(written[0].len() <= theirs.len().max(8192));
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
