//! What travels: one file a format, each with its grammar, example values, reading, writing and tests.
//!
//! These types know how a value is spelled, and nothing of what it means for a trace; that is
//! [`Propagator`](crate::Propagator)'s part. Use them alone to look into a header.

mod baggage;
mod baggage_member;
mod plain;
mod sentry_trace;
mod traceparent;
mod tracestate;

pub use baggage::Baggage;
pub(crate) use baggage::joined;
pub(crate) use baggage_member::is_token_byte;
pub use baggage_member::{BaggageError, BaggageErrorKind, BaggageMember, BaggageMembers};
pub(crate) use plain::is_plain;
pub use sentry_trace::{SentryTrace, SentryTraceError};
pub use traceparent::{Traceparent, TraceparentError};
pub use tracestate::{Tracestate, TracestateError};

/// Without the blanks (space, tab) that HTTP allows around a value, which
/// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-whitespace) calls OWS.
pub(crate) fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
