//! Checks that hold for every value that is sent.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue};
use tracehop::wire::{Baggage, SentryTrace, Traceparent};
use tracehop::{DynamicSamplingContext, PropagationContext};

const URL: &str = "https://api.example.com/";

/// Returns the headers of a request in this trace. Checks that they are valid, and the same in every carrier.
pub(crate) fn headers(context: &PropagationContext) -> Vec<(String, Vec<u8>)> {
    let mut sent = Vec::new();
    context.inject_to(URL, &mut sent);
    let data = context.trace_data();
    let values: Vec<_> =
        data.iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_owned())).collect();
    assert_eq!(sent, values);
    let mut map = HeaderMap::new();
    context.inject_to(URL, &mut map);
    assert_eq!(map.len(), sent.len());

    for (name, bytes) in &sent {
        assert_eq!(map[name.as_str()].as_bytes(), bytes);
        let text = std::str::from_utf8(bytes).unwrap();
        is_header_value(text);
        match name.as_str() {
            "sentry-trace" => assert!(text.len() <= SentryTrace::MAX_LEN),
            "traceparent" => assert_eq!(text.len(), Traceparent::LEN),
            "baggage" => assert!(text.len() <= Baggage::MAX_BYTES),
            // 32 members, each with a key and a value of 256 characters.
            "tracestate" => assert!(text.len() <= 32 * (256 + 1 + 256 + 1)),
            other => panic!("{other}"),
        }
        if name != "tracestate" {
            assert!(!text.contains(['"', '\\']), "{text:?}");
        }
    }
    dsc(context.dsc());
    server_timing(context);
    sent
}

/// Checks that a text is printable ASCII without blanks at its ends.
pub(crate) fn is_header_value(text: &str) {
    assert!(!text.is_empty());
    assert!(text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{text:?}");
    assert_eq!(text.trim(), text);
    assert!(HeaderValue::from_str(text).is_ok());
}

/// Checks that a DSC has only `sentry-` items, each name once, within the limits.
pub(crate) fn dsc(dsc: &DynamicSamplingContext) {
    list(dsc.as_baggage());
    let names: BTreeSet<&str> = dsc.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), dsc.as_baggage().len(), "{dsc}");
    for (name, value) in dsc.iter().take(3) {
        assert_eq!(dsc.get(name), Some(value));
    }
}

/// Checks that a list is tidy and within the limits, and reads as itself.
pub(crate) fn list(list: &Baggage) {
    let text = list.as_str();
    assert!(list.len() <= Baggage::MAX_MEMBERS && text.len() <= Baggage::MAX_BYTES);
    assert_eq!(list.members().count(), list.len());
    assert_eq!(list.is_empty(), text.is_empty());
    if !list.is_empty() {
        is_header_value(text);
        assert!(!text.contains([' ', '"', '\\']), "{text:?}");
        assert_eq!(text.parse().as_ref(), Ok(list));
    }
    assert_eq!(&Baggage::from_lines([text.as_bytes()]), list);
}

/// Checks that the quoted strings of `Server-Timing` are exactly the headers.
fn server_timing(context: &PropagationContext) {
    let data = context.trace_data();
    let value = data.server_timing();
    is_header_value(&value);
    let parts: Vec<&str> = value.split('"').collect();
    match (parts.as_slice(), data.baggage()) {
        (["sentry-trace;desc=", sentry_trace, ""], None) => {
            assert_eq!(*sentry_trace, data.sentry_trace());
        }
        (["sentry-trace;desc=", sentry_trace, ", baggage;desc=", baggage, ""], Some(list)) => {
            assert_eq!(*sentry_trace, data.sentry_trace());
            assert_eq!(*baggage, list.as_str());
        }
        _ => panic!("{value}"),
    }
}
