//! The headers of the crate [`http`](https://docs.rs/http).

use std::borrow::Cow;

use ::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Extractor, Field, Injector, header_names, joined};

header_names!(HeaderName);

impl Extractor for HeaderMap {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.get_all(header_name(field)).into_iter().map(HeaderValue::as_bytes)
    }
}

impl Injector for HeaderMap {
    fn set(&mut self, field: Field, value: &str) {
        // Bytes, because the application's own baggage need not be ASCII. It was a header value before.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            // Fails only if the map is full: then the application's own inserts fail as well.
            let _ = self.try_insert(header_name(field), value);
        }
    }

    fn existing(&self, field: Field) -> Option<Cow<'_, [u8]>> {
        joined(self.extract(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_are_read_and_one_is_written() {
        let mut headers = HeaderMap::new();
        headers.append("baggage", HeaderValue::from_static("a=1"));
        headers.append("Baggage", HeaderValue::from_bytes(b"b=\xff").unwrap());
        let values: Vec<_> = headers.extract(Field::Baggage).collect();
        assert_eq!(values, [&b"a=1"[..], b"b=\xff"]);
        assert_eq!(headers.existing(Field::Baggage).as_deref(), Some(&b"a=1,b=\xff"[..]));

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
