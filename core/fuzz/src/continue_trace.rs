use tracehop::wire::{SentryTrace, Traceparent};
use tracehop::{DynamicSamplingContext, Field, PropagationContext};

use crate::input::{Decides, Request};
use crate::valid;

/// A request's header lines: continued exactly if they should be, and with what they say.
pub fn continue_trace(data: &[u8]) {
    let request = Request::new(data);
    let service = request.service;
    let context = service.propagator.continue_trace(&request.incoming);
    let arrived = DynamicSamplingContext::from_baggage(request.lines(Field::Baggage));
    match expected(&request, &arrived) {
        Some(parent) => {
            assert_eq!(context.not_continued(), None);
            assert_eq!(context.trace_id(), parent.trace_id);
            assert_eq!(context.parent_span_id(), Some(parent.span_id));
            continued_as_it_was(&context, &arrived);
            decided_as_the_parent(&context, &request, parent, &arrived);
            // Nothing of the decision is left to chance.
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

/// The trace that must be continued, if one must be.
fn expected(request: &Request<'_>, arrived: &DynamicSamplingContext) -> Option<SentryTrace> {
    let sentry_trace = SentryTrace::parse_lines(request.lines(Field::SentryTrace)).ok()?;
    let parent = match sentry_trace {
        Some(parent) => parent,
        None if request.service.continues_traceparent => {
            let parent = Traceparent::parse_lines(request.lines(Field::Traceparent)).ok()??;
            SentryTrace::new(parent.trace_id, parent.parent_id, parent.sampled.then_some(true))
        }
        None => return None,
    };
    let theirs = arrived.org_id();
    let is_continued = match (theirs.as_deref(), request.service.org_id) {
        (Some(theirs), Some(ours)) => theirs == ours,
        (None, None) => true,
        _ => !request.service.strict,
    };
    is_continued.then_some(parent)
}

/// Nothing but the two items that may be set on the way differs.
fn continued_as_it_was(context: &PropagationContext, arrived: &DynamicSamplingContext) {
    let fixed = |dsc: &DynamicSamplingContext| -> Vec<(String, String)> {
        let members = dsc.as_baggage().members();
        let texts = members
            .map(|it| (it.key().to_owned(), format!("{};{}", it.raw_value(), it.properties())));
        texts
            .filter(|(key, _)| key != "sentry-sample_rand" && key != "sentry-sample_rate")
            .collect()
    };
    assert_eq!(fixed(context.dsc()), fixed(arrived));
    assert_eq!(context.dsc().is_empty(), arrived.is_empty());
    if let Some(rand) = arrived.sample_rand() {
        assert_eq!(context.sample_rand(), rand);
        assert_eq!(context.dsc().sample_rand(), Some(rand));
    }
}

fn decided_as_the_parent(
    context: &PropagationContext,
    request: &Request<'_>,
    parent: SentryTrace,
    arrived: &DynamicSamplingContext,
) {
    if request.service.decides != Decides::BySampler
        && (parent.sampled.is_some() || request.service.decides == Decides::Never)
    {
        assert_eq!(context.sampled(), parent.sampled);
        assert_eq!(context.sample_rate(), None);
        assert_eq!(context.dsc().sample_rate(), arrived.sample_rate());
    } else {
        assert!(context.sampled().is_some() && context.sample_rate().is_some());
    }
    // A number that is drawn here agrees with the decision that was made before, if any number can.
    if let (None, Some(sampled), Some(rate)) =
        (arrived.sample_rand(), parent.sampled, arrived.sample_rate())
        && (0.0 < rate.get() || !sampled)
        && (rate.get() < 1.0 || sampled)
    {
        assert_eq!(context.sample_rand().is_sampled_at(rate), sampled);
    }
}
