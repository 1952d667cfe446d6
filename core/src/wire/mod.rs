//! Header values: one file for each format, with its grammar, reading, writing and tests.
//!
//! These types know how a value is spelled. The rules of propagation are in [`Propagator`](crate::Propagator)
//! and [`PropagationContext`](crate::PropagationContext). Use this module alone to inspect a header.

mod baggage;
mod baggage_list;
mod hex;
mod id;
mod list_builder;
mod sentry_trace;
mod traceparent;
mod tracestate;

pub(crate) use baggage::decode;
pub use baggage::{BaggageError, BaggageErrorKind, BaggageMember, BaggageMembers};
pub use baggage_list::Baggage;
pub use id::{IdError, SpanId, TraceId};
pub(crate) use list_builder::{ListBuilder, lines_within_limit};
pub use sentry_trace::{SentryTrace, SentryTraceError};
pub use traceparent::{Traceparent, TraceparentError};
pub use tracestate::{Tracestate, TracestateError};

/// Removes the blanks (space, tab) that HTTP allows around a value, called OWS in
/// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-whitespace).
#[inline]
fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Returns bytes that this module wrote, or checked, as text.
#[expect(clippy::expect_used, reason = "an invariant of this module, which no input can break")]
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("every byte was written or checked as ASCII")
}

/// Reads a value from a serde string, borrowed or owned, by its `FromStr`.
#[cfg(feature = "serde")]
fn deserialize_from_str<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
    D: serde::Deserializer<'de>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);

    impl<T: std::str::FromStr<Err: std::fmt::Display>> serde::de::Visitor<'_> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Visitor(std::marker::PhantomData))
}

/// Implements serde for a type whose serde form is its text.
#[cfg(feature = "serde")]
macro_rules! serde_as_text {
    ($($name:ident),+) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_from_str(deserializer)
            }
        }
    )+};
}

#[cfg(feature = "serde")]
serde_as_text!(TraceId, SpanId, SentryTrace, Traceparent, Tracestate, Baggage);

#[cfg(test)]
#[cfg(feature = "serde")]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;

    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, text: &str) {
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(json, format!("{text:?}"));
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
        assert!(serde_json::from_str::<T>("\"-\"").is_err());
        let error = serde_json::from_str::<T>("7").unwrap_err().to_string();
        assert!(error.contains("expected a string"), "{error}");
    }

    #[test]
    fn serde_uses_the_text_of_every_format() {
        let (trace_id, span_id) = ("771a43a4192642f0b136d5159a501700", "b72fa28504b07285");
        round_trip::<TraceId>(trace_id.parse().unwrap(), trace_id);
        round_trip::<SpanId>(span_id.parse().unwrap(), span_id);
        let text = format!("{trace_id}-{span_id}-1");
        round_trip::<SentryTrace>(text.parse().unwrap(), &text);
        let text = format!("00-{trace_id}-{span_id}-01");
        round_trip::<Traceparent>(text.parse().unwrap(), &text);
        round_trip::<Tracestate>("a=1,b=2".parse().unwrap(), "a=1,b=2");
        round_trip::<Baggage>("a=1,b=2;p".parse().unwrap(), "a=1,b=2;p");
    }
}
