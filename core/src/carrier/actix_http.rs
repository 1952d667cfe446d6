//! Actix-web's own header map, which is another type than that of the crate `http`.

use std::borrow::Cow;

use ::actix_http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Extractor, Field, Injector, header_names, joined};

header_names!(HeaderName);

impl Extractor for HeaderMap {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.get_all(header_name(field)).map(HeaderValue::as_bytes)
    }
}

impl Injector for HeaderMap {
    fn set(&mut self, field: Field, value: &str) {
        // Bytes, because the application's own baggage need not be ASCII. It was a header value before.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.insert(header_name(field).clone(), value);
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
        for value in ["a=1", "b=2"] {
            headers.append(header_name(Field::Baggage).clone(), HeaderValue::from_static(value));
        }
        assert_eq!(headers.extract(Field::Baggage).collect::<Vec<_>>(), [b"a=1", b"b=2"]);
        assert_eq!(headers.existing(Field::Baggage).as_deref(), Some(&b"a=1,b=2"[..]));
        for field in Field::ALL.iter().copied() {
            headers.set(field, "x");
            assert_eq!(headers.extract(field).collect::<Vec<_>>(), [b"x"]);
            assert!(headers.contains_key(field.name()));
        }
    }
}
