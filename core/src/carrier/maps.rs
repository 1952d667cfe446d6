//! Maps and lists of pairs, such as the metadata of queue messages. Names are compared without regard to
//! case, because some brokers change it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::{Extractor, Field, Injector, joined};

fn is_name(field: Field, key: impl AsRef<str>) -> bool {
    key.as_ref().eq_ignore_ascii_case(field.name())
}

fn matching<'a, K: AsRef<str> + 'a, V: AsRef<[u8]> + 'a>(
    pairs: impl Iterator<Item = (&'a K, &'a V)>,
    field: Field,
) -> impl Iterator<Item = &'a [u8]> {
    pairs.filter(move |(key, _)| is_name(field, key)).map(|(_, value)| value.as_ref())
}

impl<K: AsRef<str>, V: AsRef<[u8]>, S> Extractor for HashMap<K, V, S> {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        matching(self.iter(), field)
    }
}

impl<K, V, S> Injector for HashMap<K, V, S>
where
    K: AsRef<str> + From<&'static str> + Eq + Hash,
    V: AsRef<[u8]> + for<'v> From<&'v str>,
    S: BuildHasher,
{
    fn set(&mut self, field: Field, value: &str) {
        self.retain(|key, _| !is_name(field, key));
        self.insert(K::from(field.name()), V::from(value));
    }

    fn existing(&self, field: Field) -> Option<Cow<'_, [u8]>> {
        joined(self.extract(field))
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> Extractor for BTreeMap<K, V> {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        matching(self.iter(), field)
    }
}

impl<K, V> Injector for BTreeMap<K, V>
where
    K: AsRef<str> + From<&'static str> + Ord,
    V: AsRef<[u8]> + for<'v> From<&'v str>,
{
    fn set(&mut self, field: Field, value: &str) {
        self.retain(|key, _| !is_name(field, key));
        self.insert(K::from(field.name()), V::from(value));
    }

    fn existing(&self, field: Field) -> Option<Cow<'_, [u8]>> {
        joined(self.extract(field))
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> Extractor for [(K, V)] {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        matching(self.iter().map(|(key, value)| (key, value)), field)
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>, const N: usize> Extractor for [(K, V); N] {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.as_slice().extract(field)
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> Extractor for Vec<(K, V)> {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.as_slice().extract(field)
    }
}

impl<K, V> Injector for Vec<(K, V)>
where
    K: AsRef<str> + From<&'static str>,
    V: AsRef<[u8]> + for<'v> From<&'v str>,
{
    fn set(&mut self, field: Field, value: &str) {
        self.retain(|(key, _)| !is_name(field, key));
        self.push((K::from(field.name()), V::from(value)));
    }

    fn existing(&self, field: Field) -> Option<Cow<'_, [u8]>> {
        joined(self.extract(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_a_carrier(mut carrier: impl Injector + Extractor) {
        carrier.set(Field::Baggage, "a=1");
        carrier.set(Field::SentryTrace, "x");
        carrier.set(Field::Baggage, "b=2");
        assert_eq!(carrier.extract(Field::Baggage).collect::<Vec<_>>(), [b"b=2"]);
        assert_eq!(carrier.extract(Field::SentryTrace).collect::<Vec<_>>(), [b"x"]);
        assert_eq!(carrier.extract(Field::Traceparent).count(), 0);
    }

    #[test]
    fn maps_of_strings_or_bytes_are_carriers() {
        is_a_carrier(HashMap::<String, String>::new());
        is_a_carrier(HashMap::<&'static str, Vec<u8>>::new());
        is_a_carrier(BTreeMap::<String, String>::new());
        is_a_carrier(Vec::<(String, String)>::new());
    }

    #[test]
    fn names_match_in_any_case() {
        fn check<C>(mut carrier: C, expected: C)
        where
            C: Injector + Extractor + PartialEq + std::fmt::Debug,
        {
            assert_eq!(carrier.extract(Field::SentryTrace).collect::<Vec<_>>(), [b"x"]);
            carrier.set(Field::SentryTrace, "y");
            assert_eq!(carrier, expected);
        }

        let pair = |key: &str, value: &str| [(key.to_owned(), value.to_owned())];
        let (before, after) = (pair("Sentry-Trace", "x"), pair("sentry-trace", "y"));
        check(HashMap::from(before.clone()), HashMap::from(after.clone()));
        check(BTreeMap::from(before.clone()), BTreeMap::from(after.clone()));
        check(Vec::from(before), Vec::from(after));
    }

    #[test]
    fn pairs_with_equal_names_are_several_lines() {
        let pairs = [("baggage", "a=1"), ("other", "x"), ("BAGGAGE", "b=2")];
        assert_eq!(pairs.extract(Field::Baggage).collect::<Vec<_>>(), [b"a=1", b"b=2"]);
    }
}
