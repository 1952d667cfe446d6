//! Our position, for an SDK that reads the request's own headers.

use crate::carrier::{Field, Injector};
use crate::context::PropagationContext;
use crate::trace_data::merge_baggage;
use crate::wire::{Baggage, SentryTrace};

/// Writes the position of a context into the headers of the request that it was read from, in place of what the
/// caller wrote, for an SDK that reads them again further in: its transaction is then below this context's.
///
/// The `sentry-trace` is the context's. The `baggage` stays as it came if the trace was continued. If not, it says
/// nothing of Sentry's but this service's organisation, by which such an SDK continues the trace, so that the
/// dynamic sampling context need not be frozen yet.
pub fn inject_position<I: Injector + ?Sized>(context: &PropagationContext, carrier: &mut I) {
    let position = SentryTrace::new(context.trace_id(), context.span_id(), context.sampled());
    carrier.set(Field::SentryTrace, position.encode(&mut [0; SentryTrace::MAX_LEN]));
    if context.is_continued() {
        return;
    }
    let mut organisation = Baggage::new();
    if let Some(org_id) = &context.options().org_id {
        // A number.
        let _ = organisation.push("sentry-org_id", org_id);
    }
    let merged = merge_baggage(carrier.extract(Field::Baggage), || &organisation);
    let baggage = merged.as_deref().unwrap_or(organisation.as_str());
    if !baggage.is_empty() || carrier.extract(Field::Baggage).next().is_some() {
        carrier.set(Field::Baggage, baggage);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::propagator::Propagator;

    use super::*;

    #[test]
    fn an_sdk_further_in_reads_our_position_and_nothing_that_it_would_refuse() {
        let continued = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
        for (org_id, sentry_trace, baggage, expected) in [
            (Some(7), None, None, Some("sentry-org_id=7")),
            (None, None, None, None),
            (Some(7), None, Some("a=1"), Some("a=1,sentry-org_id=7")),
            (None, None, Some("a=1"), Some("a=1")),
            // That of another organisation.
            (Some(7), Some(continued), Some("a=1,sentry-org_id=8"), Some("a=1,sentry-org_id=7")),
            (None, None, Some("sentry-org_id=8"), Some("")),
            (Some(7), Some(continued), Some("sentry-org_id=7,a=1"), Some("sentry-org_id=7,a=1")),
            (Some(7), Some(continued), None, None),
        ] {
            let mut builder = Propagator::builder();
            if let Some(org_id) = org_id {
                builder = builder.org_id(org_id);
            }
            let mut carrier = HashMap::<String, String>::new();
            for (name, value) in [("sentry-trace", sentry_trace), ("baggage", baggage)] {
                if let Some(value) = value {
                    carrier.insert(name.to_owned(), value.to_owned());
                }
            }
            let context = builder.build().unwrap().continue_trace(&carrier);
            inject_position(&context, &mut carrier);
            assert_eq!(carrier["sentry-trace"], context.trace_data().sentry_trace());
            assert_eq!(carrier.get("baggage").map(String::as_str), expected, "{baggage:?}");
        }
    }
}
