use ::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Extractor, Field, Injector};
use crate::dsc::DynamicSamplingContext;
use crate::wire::SentryTrace;

/// Made once: a name that is a constant is not looked up by its text with every request.
fn header_name(field: Field) -> &'static HeaderName {
    static SENTRY_TRACE: HeaderName = HeaderName::from_static("sentry-trace");
    static BAGGAGE: HeaderName = HeaderName::from_static("baggage");
    static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
    static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
    match field {
        Field::SentryTrace => &SENTRY_TRACE,
        Field::Baggage => &BAGGAGE,
        Field::Traceparent => &TRACEPARENT,
        Field::Tracestate => &TRACESTATE,
    }
}

impl Extractor for HeaderMap {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.get_all(header_name(field)).into_iter().map(HeaderValue::as_bytes)
    }
}

impl Injector for HeaderMap {
    fn set(&mut self, field: Field, value: &str) {
        // Bytes and not text, for the application's own baggage, which need not be ASCII. What came out of
        // header values is always one again, so that nothing is lost by passing over an error.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            // A map with no room for one more header is the application's to notice.
            let _ = self.try_insert(header_name(field), value);
        }
    }

    fn set_trace(&mut self, sentry_trace: &SentryTrace, dsc: &DynamicSamplingContext) {
        if let Some((sentry_trace, baggage)) = dsc.header_values(sentry_trace) {
            let _ = self.try_insert(header_name(Field::SentryTrace), sentry_trace.into_owned());
            let _ = self.try_insert(header_name(Field::Baggage), baggage.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_are_read_and_one_is_written() {
        let mut headers = HeaderMap::new();
        headers.append("baggage", HeaderValue::from_static("a=1"));
        headers.append("Baggage", HeaderValue::from_bytes(b"b=\xff").unwrap());
        let values: Vec<_> = headers.extract(Field::Baggage).collect();
        assert_eq!(values, [&b"a=1"[..], b"b=\xff"]);

        headers.set(Field::Baggage, "c=é");
        assert_eq!(headers.extract(Field::Baggage).collect::<Vec<_>>(), ["c=é".as_bytes()]);
        headers.set(Field::Baggage, "no\nvalue");
        assert_eq!(headers.extract(Field::Baggage).collect::<Vec<_>>(), ["c=é".as_bytes()]);
    }

    #[test]
    fn every_field_has_its_name() {
        for field in Field::ALL.iter().copied() {
            let mut headers = HeaderMap::new();
            headers.set(field, "x");
            assert!(headers.contains_key(field.name()));
        }
    }
}
