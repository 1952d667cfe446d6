use tracehop::wire::{SentryTrace, Traceparent};
use tracehop::{DynamicSamplingContext, Field, PropagationContext};

use crate::input::{Decides, Request};
use crate::valid;

/// Continues the trace of a request exactly if the rules say so, with the values of its headers.
pub fn continue_trace(data: &[u8]) {
    let request = Request::new(data);
    let service = request.service;
    let context = service.propagator.continue_trace(&request.incoming);
    let incoming = DynamicSamplingContext::from_baggage(request.lines(Field::Baggage));
    match expected(&request, &incoming) {
        Some((parent, incoming)) => {
            assert_eq!(context.not_continued(), None);
            assert_eq!(context.trace_id(), parent.trace_id);
            assert_eq!(context.parent_span_id(), Some(parent.span_id));
            continued_as_it_was(&context, &incoming);
            decided_as_the_parent(&context, &request, parent, &incoming);
            // The decision depends only on the headers.
            let again = service.propagator.continue_trace(&request.incoming);
            assert_eq!((again.sampled(), again.dsc()), (context.sampled(), context.dsc()));
        }
        None => {
            let reason = context.not_continued().unwrap();
            assert!(!reason.to_string().contains(char::is_control));
            assert_eq!(context.parent_span_id(), None);
            assert_eq!(context.dsc().trace_id(), Some(context.trace_id()));
            assert_eq!(context.dsc().release().as_deref(), Some("fuzz@1.0"));
        }
    }
    if let Some(rate) = context.sample_rate() {
        assert_eq!(context.sampled(), Some(context.sample_rand().is_sampled_at(rate)));
    }
    let decides = service.decides != Decides::Never;
    assert_eq!(context.sends_spans(), decides && context.sampled() == Some(true));
    valid::headers(&context);
}

/// Returns the trace that must be continued, if one must be, and the DSC that counts.
fn expected(
    request: &Request<'_>,
    incoming: &DynamicSamplingContext,
) -> Option<(SentryTrace, DynamicSamplingContext)> {
    let sentry_trace = SentryTrace::parse_lines(request.lines(Field::SentryTrace)).ok()?;
    let parent = match sentry_trace {
        Some(parent) => parent,
        None if request.service.continues_traceparent => {
            let parent = Traceparent::parse_lines(request.lines(Field::Traceparent)).ok()??;
            SentryTrace::new(parent.trace_id, parent.parent_id, parent.sampled.then_some(true))
        }
        None => return None,
    };
    let named = incoming.get("trace_id").and_then(|id| uuid::Uuid::try_parse(&id).ok());
    let contradicts = named.is_some_and(|named| named != uuid::Uuid::from(parent.trace_id));
    let counts = if contradicts { DynamicSamplingContext::default() } else { incoming.clone() };
    let theirs = counts.org_id();
    let is_continued = match (theirs.as_deref(), request.service.org_id) {
        (Some(theirs), Some(ours)) => theirs == ours,
        (None, None) => true,
        _ => !request.service.strict,
    };
    let parent = is_continued.then_some(parent)?;
    Some((parent, counts.clone()))
}

/// Checks that a continued DSC differs only in the two items that may be set on the way.
fn continued_as_it_was(context: &PropagationContext, incoming: &DynamicSamplingContext) {
    let fixed = |dsc: &DynamicSamplingContext| -> Vec<String> {
        let members = dsc.as_str().split(',').map(str::to_owned);
        let is_fixed = |member: &String| {
            !["sentry-sample_rand=", "sentry-sample_rate="]
                .iter()
                .any(|key| member.starts_with(key))
        };
        members.filter(is_fixed).collect()
    };
    assert_eq!(fixed(context.dsc()), fixed(incoming));
    assert_eq!(context.dsc().is_empty(), incoming.is_empty());
    if let Some(rand) = incoming.sample_rand() {
        assert_eq!(context.sample_rand(), rand);
        assert_eq!(context.dsc().sample_rand(), Some(rand));
    }
}

fn decided_as_the_parent(
    context: &PropagationContext,
    request: &Request<'_>,
    parent: SentryTrace,
    incoming: &DynamicSamplingContext,
) {
    if request.service.decides != Decides::BySampler
        && (parent.sampled.is_some() || request.service.decides == Decides::Never)
    {
        assert_eq!(context.sampled(), parent.sampled);
        assert_eq!(context.sample_rate(), None);
        assert_eq!(context.dsc().sample_rate(), incoming.sample_rate());
    } else {
        assert!(context.sampled().is_some() && context.sample_rate().is_some());
    }
    // A random number that this service draws agrees with the decision that came in, if any number can.
    if let (None, Some(sampled), Some(rate)) =
        (incoming.sample_rand(), parent.sampled, incoming.sample_rate())
        && (0.0 < rate.get() || !sampled)
        && (rate.get() < 1.0 || sampled)
    {
        assert_eq!(context.sample_rand().is_sampled_at(rate), sampled);
    }
}
