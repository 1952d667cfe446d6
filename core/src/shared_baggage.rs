//! The header values of the requests of one trace.

use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderValue;

/// The `baggage` value of a trace, which is the same for every request in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedBaggage {
    value: OnceLock<HeaderValue>,
}

impl SharedBaggage {
    /// Both values of a request; the text of the baggage must be the same each time. `None` if one is not a header
    /// value.
    pub(crate) fn values(
        &self,
        sentry_trace: &str,
        baggage: &str,
    ) -> Option<(HeaderValue, HeaderValue)> {
        if let Some(baggage) = self.value.get() {
            return Some((HeaderValue::from_str(sentry_trace).ok()?, baggage.clone()));
        }
        // Both in one piece of memory, of which the baggage can be shared without one more.
        let mut both = Bytes::from([sentry_trace, baggage].concat());
        let sentry_trace = both.split_to(sentry_trace.len());
        let value = HeaderValue::from_maybe_shared(both).ok()?;
        let value = self.value.get_or_init(|| value).clone();
        Some((HeaderValue::from_maybe_shared(sentry_trace).ok()?, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_baggage_is_the_same_with_every_sentry_trace() {
        let shared = SharedBaggage::default();
        for sentry_trace in ["x", "y", "z"] {
            let (first, second) = shared.values(sentry_trace, "a=1").unwrap();
            assert_eq!((first, second), (sentry_trace.parse().unwrap(), "a=1".parse().unwrap()));
        }
        assert!(SharedBaggage::default().values("x", "\n").is_none());
        assert!(SharedBaggage::default().values("\n", "x").is_none());
    }
}
