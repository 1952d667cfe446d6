//! The header values of the requests of one trace.

use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderValue;

use crate::wire::SentryTrace;

/// The values that were sent first in a trace.
///
/// All requests of a trace have the same baggage, and those of the same span the same `sentry-trace`, which is all
/// of them unless the application records spans of its own. What was made for the first is lent to the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedValues {
    first: OnceLock<Values>,
}

#[derive(Debug, Clone)]
struct Values {
    of: SentryTrace,
    sentry_trace: HeaderValue,
    baggage: HeaderValue,
}

impl SharedValues {
    /// Both values of a request; the text of the baggage must be the same each time. `None` if it is not a header
    /// value.
    pub(crate) fn of(
        &self,
        sentry_trace: &SentryTrace,
        baggage: &str,
    ) -> Option<(HeaderValue, HeaderValue)> {
        let first = match self.first.get() {
            Some(first) => first,
            None => {
                let values = Values::new(sentry_trace, baggage)?;
                self.first.get_or_init(|| values)
            }
        };
        let sentry_trace = if first.of == *sentry_trace {
            first.sentry_trace.clone()
        } else {
            HeaderValue::from_bytes(sentry_trace.encode_bytes(&mut [0; SentryTrace::MAX_LEN]))
                .ok()?
        };
        Some((sentry_trace, first.baggage.clone()))
    }
}

impl Values {
    fn new(sentry_trace: &SentryTrace, baggage: &str) -> Option<Self> {
        let mut buffer = [0; SentryTrace::MAX_LEN];
        let text = sentry_trace.encode_bytes(&mut buffer);
        // Both in one piece of memory, to ask for it once.
        let mut both = Vec::with_capacity(text.len() + baggage.len());
        both.extend_from_slice(text);
        both.extend_from_slice(baggage.as_bytes());
        let mut both = Bytes::from(both);
        let first = both.split_to(text.len());
        Some(Self {
            of: *sentry_trace,
            sentry_trace: HeaderValue::from_maybe_shared(first).ok()?,
            baggage: HeaderValue::from_maybe_shared(both).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_span_has_its_own_sentry_trace_and_all_the_same_baggage() {
        let shared = SharedValues::default();
        for span_id in ["b72fa28504b07285", "00f067aa0ba902b7", "b72fa28504b07285"] {
            for end in ["", "-1", "-0"] {
                let text = format!("771a43a4192642f0b136d5159a501700-{span_id}{end}");
                let values = shared.of(&text.parse().unwrap(), "a=1").unwrap();
                assert_eq!(values, (text.parse().unwrap(), "a=1".parse().unwrap()));
            }
        }
    }

    #[test]
    fn what_is_no_header_value_is_none_and_not_kept() {
        let sentry_trace = "771a43a4192642f0b136d5159a501700-b72fa28504b07285".parse().unwrap();
        let shared = SharedValues::default();
        assert!(shared.of(&sentry_trace, "\n").is_none());
        assert!(shared.of(&sentry_trace, "a=1").is_some());
    }
}
