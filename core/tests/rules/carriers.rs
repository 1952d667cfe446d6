//! Carriers: the library's own, and those of an application.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use tracehop::{Extractor, Field, Injector, PropagationContext, Propagator};

use crate::{Headers, TRACE_ID, headers, incoming, outgoing};

fn propagator() -> Propagator {
    Propagator::builder().propagate_traceparent(true).build().unwrap()
}

fn continued() -> PropagationContext {
    propagator().continue_trace(&incoming("-1", "sentry-sample_rand=0.5"))
}

/// The metadata of a message. Without `shows_values` the carrier can only be written to.
#[derive(Default)]
struct Message {
    values: Vec<(Field, String)>,
    shows_values: bool,
}

impl Injector for Message {
    fn set(&mut self, field: Field, value: &str) {
        self.values.retain(|(known, _)| *known != field);
        self.values.push((field, value.to_owned()));
    }

    fn existing(&self, field: Field) -> Option<Cow<'_, [u8]>> {
        let mut values = self.values.iter().filter(|(known, _)| *known == field);
        let (_, value) = values.next().filter(|_| self.shows_values)?;
        Some(Cow::Borrowed(value.as_bytes()))
    }
}

/// Injects through a trait object, as code does if it does not know the carrier's type.
fn inject_dynamically(context: &PropagationContext, carrier: &mut dyn Injector) {
    context.inject_to(crate::URL, carrier);
}

#[test]
fn dynamic_injectors_get_the_same_values() {
    let context = continued();
    let expected = outgoing(&context);
    let mut lines = Headers::new();
    let mut map = HashMap::<String, String>::new();
    let mut tree = BTreeMap::<String, String>::new();
    let mut message = Message::default();
    let carriers: [&mut dyn Injector; 4] = [&mut lines, &mut map, &mut tree, &mut message];
    for carrier in carriers {
        inject_dynamically(&context, carrier);
    }
    assert_eq!(lines, expected);
    assert_eq!(map, expected.iter().cloned().collect());
    assert_eq!(tree, expected.iter().cloned().collect());
    let names = message.values.iter().map(|(field, value)| (field.name().to_owned(), value));
    assert!(names.eq(expected.iter().map(|(name, value)| (name.clone(), value))));
}

#[test]
fn existing_values_are_respected_where_carriers_show_them() {
    let context = continued();
    let ours = context.trace_data().sentry_trace().to_owned();
    for (shows_values, sentry_trace, baggage) in [
        // In a carrier that can only be written to, the trace replaces what the application wrote.
        (false, ours.as_str(), "sentry-sample_rand=0.5"),
        (true, "by hand", "a=1"),
    ] {
        let mut message = Message { shows_values, ..Message::default() };
        message.set(Field::SentryTrace, "by hand");
        message.set(Field::Baggage, "a=1");
        inject_dynamically(&context, &mut message);
        message.shows_values = true;
        assert_eq!(message.existing(Field::SentryTrace).as_deref(), Some(sentry_trace.as_bytes()));
        assert_eq!(message.existing(Field::Baggage).as_deref(), Some(baggage.as_bytes()));
    }

    let mut message = Message { shows_values: true, ..Message::default() };
    message.set(Field::Baggage, "a=1,sentry-release=old");
    inject_dynamically(&context, &mut message);
    let merged = message.existing(Field::Baggage);
    assert_eq!(merged.as_deref(), Some(&b"a=1,sentry-sample_rand=0.5"[..]));
}

#[test]
fn maps_and_lists_read_names_in_any_case() {
    let pair = |name: &str| (name.to_owned(), format!("{TRACE_ID}-b72fa28504b07285-1"));
    for name in ["sentry-trace", "Sentry-Trace", "SENTRY-TRACE"] {
        let propagator = propagator();
        for context in [
            propagator.continue_trace(&HashMap::from([pair(name)])),
            propagator.continue_trace(&BTreeMap::from([pair(name)])),
            propagator.continue_trace(&vec![pair(name)]),
            propagator.continue_trace(&[pair(name)]),
        ] {
            assert!(context.is_continued(), "{name}");
        }
    }
}

#[cfg(feature = "http")]
#[test]
fn http_headers_keep_the_application_baggage() {
    use http::{HeaderMap, HeaderValue};

    let context = continued();
    let mut map = HeaderMap::new();
    map.append("baggage", HeaderValue::from_bytes("mine=é".as_bytes()).unwrap());
    map.append("baggage", HeaderValue::from_static("b=2"));
    context.inject_to("https://api.example.com/", &mut map);
    let lines: Vec<_> = map.get_all("baggage").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(lines, ["mine=é,b=2,sentry-sample_rand=0.5".as_bytes()]);
    assert_eq!(map["sentry-trace"], context.trace_data().sentry_trace());
}

#[cfg(feature = "actix-http")]
#[test]
fn actix_headers_are_a_carrier() {
    use actix_http::header::{HeaderMap, HeaderName, HeaderValue};

    let context = continued();
    let mut map = HeaderMap::new();
    let baggage = HeaderName::from_static("baggage");
    map.append(baggage.clone(), HeaderValue::from_bytes("mine=é".as_bytes()).unwrap());
    map.append(baggage.clone(), HeaderValue::from_static("b=2"));
    context.inject_to("https://api.example.com/", &mut map);
    let lines: Vec<_> = map.get_all("baggage").map(HeaderValue::as_bytes).collect();
    assert_eq!(lines, ["mine=é,b=2,sentry-sample_rand=0.5".as_bytes()]);

    let mut sent = HeaderMap::new();
    context.inject_to("https://api.example.com/", &mut sent);
    let mut pairs: Vec<_> = sent
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let mut expected = outgoing(&context);
    pairs.sort();
    expected.sort();
    assert_eq!(pairs, expected);

    sent.append(baggage, HeaderValue::from_static("sentry-org_id=7,sentry-release=theirs"));
    let next = propagator().continue_trace(&sent);
    assert_eq!(next.trace_id(), context.trace_id());
    assert_eq!(next.parent_span_id(), Some(context.span_id()));
    assert_eq!(next.dsc().org_id().as_deref(), Some("7"));
    assert_eq!(next.dsc().sample_rand(), context.dsc().sample_rand());

    let by_hand = HeaderValue::from_static("whatever");
    let mut request = HeaderMap::new();
    request.insert(HeaderName::from_static("sentry-trace"), by_hand.clone());
    context.inject(&mut request);
    assert_eq!(request.len(), 1);
    assert_eq!(request.get("sentry-trace"), Some(&by_hand));
}

#[test]
fn only_the_fields_of_a_trace_are_read() {
    let mut lines = incoming("-1", "");
    lines.extend(headers([("x-baggage", "sentry-release=a"), ("baggage-x", "sentry-release=b")]));
    let context = propagator().continue_trace(&lines);
    assert!(context.is_continued());
    assert!(context.dsc().is_empty());
    assert_eq!(lines.extract(Field::Baggage).count(), 0);
}
