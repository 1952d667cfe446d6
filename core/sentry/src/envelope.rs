//! The `trace` header of an envelope.

use std::borrow::Cow;
use std::io::{self, Write};

use sentry_core::Envelope;
use sentry_core::protocol::{self, EnvelopeHeaders, EnvelopeItem};
#[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
use sentry_core::protocol::{Context, Map, Value};
use sentry_core::types::Uuid;
use serde::Serializer;
use tracehop::DynamicSamplingContext;

/// An envelope, taken apart.
pub(crate) struct Parts {
    headers: EnvelopeHeaders,
    /// The first transaction or error, which is the first item. The SDK sends one in an envelope.
    pub(crate) main: Option<EnvelopeItem>,
    /// All other items, or an envelope that is bytes already.
    rest: Envelope,
}

impl Parts {
    /// Takes an envelope apart. One that does not begin with a transaction or an error stays whole.
    pub(crate) fn of(envelope: Envelope) -> Self {
        let headers = envelope.headers().clone();
        let is_main = |item: &EnvelopeItem| {
            matches!(item, EnvelopeItem::Transaction(_) | EnvelopeItem::Event(_))
        };
        if !envelope.items().next().is_some_and(is_main) {
            return Self { headers, main: None, rest: envelope };
        }
        let mut items = envelope.into_items();
        let main = items.next();
        let mut rest = Envelope::new();
        items.for_each(|item| rest.add_item(item));
        Self { headers, main, rest }
    }

    /// Returns the client reports of an envelope whose transaction or error is not sent; `None` if it has none. The SDK
    /// adds them to any envelope.
    pub(crate) fn reports(self) -> Option<Envelope> {
        let is_report = |item: &EnvelopeItem| matches!(item, EnvelopeItem::ClientReport(_));
        self.rest.filter(is_report)
    }

    /// Puts the envelope together again.
    pub(crate) fn into_envelope(self) -> Envelope {
        let Some(main) = self.main else { return self.rest };
        let mut envelope = Envelope::new();
        envelope.add_item(main);
        self.rest.into_items().for_each(|item| envelope.add_item(item));
        envelope.with_headers(self.headers)
    }

    /// Sets the `trace` header to what Sentry's server reads of a dynamic sampling context, or removes it if that is
    /// nothing. The head of the trace sends no DSC then, so this service sends none either.
    ///
    /// The envelope is handed on as bytes, because the SDK's own transports drop all headers but the event's id when
    /// they filter items by rate limits. One that cannot be written is returned unchanged.
    pub(crate) fn with_header(self, dsc: &DynamicSamplingContext) -> Envelope {
        let Some(line) = self.header_line(dsc) else { return self.into_envelope() };
        let Self { headers, main, rest } = self;
        let items = Self { headers: EnvelopeHeaders::new(), main, rest }.into_envelope();
        match write_behind(line, &items).ok().and_then(|bytes| Envelope::from_bytes_raw(bytes).ok())
        {
            Some(envelope) => envelope,
            None => items.with_headers(headers),
        }
    }

    /// Sets the `trace` header to what the SDK's type for it can hold of a dynamic sampling context.
    pub(crate) fn with_typed_header(mut self, dsc: &DynamicSamplingContext) -> Envelope {
        let line = self.header_line(dsc);
        if let Some(parsed) = line.and_then(|line| Envelope::from_slice(&line).ok()) {
            self.headers = parsed.headers().clone();
        }
        self.into_envelope()
    }

    /// Puts the headers with this `trace` into the transaction or error itself, until [`write`] takes them out.
    #[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
    pub(crate) fn with_carried_header(mut self, dsc: &DynamicSamplingContext) -> Envelope {
        let line = self.header_line(dsc).and_then(|line| String::from_utf8(line).ok());
        if let (Some(line), Some(contexts)) = (line, self.contexts()) {
            let carried = Map::from([(CARRIED.to_owned(), Value::from(line))]);
            contexts.insert(CARRIED.to_owned(), Context::Other(carried));
        }
        self.into_envelope()
    }

    #[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
    fn take_carried_header(&mut self) -> Option<Vec<u8>> {
        match self.contexts()?.remove(CARRIED)? {
            Context::Other(mut carried) => match carried.remove(CARRIED)? {
                Value::String(line) => Some(line.into_bytes()),
                _ => None,
            },
            _ => None,
        }
    }

    #[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
    fn contexts(&mut self) -> Option<&mut Map<String, Context>> {
        match self.main.as_mut()? {
            EnvelopeItem::Transaction(transaction) => Some(&mut transaction.contexts),
            EnvelopeItem::Event(event) => Some(&mut event.contexts),
            _ => None,
        }
    }

    /// Returns the first line of the envelope, with this `trace`.
    fn header_line(&self, dsc: &DynamicSamplingContext) -> Option<Vec<u8>> {
        let mut line = self.usual_headers().or_else(|| other_headers(&self.headers))?;
        let readable = readable(dsc);
        if !readable.is_empty() {
            if line.len() > 1 {
                line.push(b',');
            }
            line.extend_from_slice(TRACE);
            serde_json::Serializer::new(&mut line).collect_map(readable).ok()?;
        }
        line.extend_from_slice(b"}\n");
        Some(line)
    }

    /// Returns what [`other_headers`] does, for an envelope with the headers that the SDK itself sets: `event_id` and
    /// `trace`. To write its own `trace` only to cut it off costs as much as all the rest.
    fn usual_headers(&self) -> Option<Vec<u8>> {
        let id = match self.main.as_ref()? {
            EnvelopeItem::Transaction(transaction) => transaction.event_id,
            EnvelopeItem::Event(event) => event.event_id,
            _ => return None,
        };
        let any = protocol::DynamicSamplingContext::default;
        let usual = EnvelopeHeaders::new().with_event_id(id).with_trace(any());
        (self.headers.clone().with_trace(any()) == usual).then(|| {
            let mut line = new_line();
            line.extend_from_slice(br#"{"event_id":""#);
            line.extend_from_slice(id.to_string().as_bytes());
            line.push(b'"');
            line
        })
    }
}

/// The name of the context that carries the headers.
#[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
const CARRIED: &str = "tracehop.headers";

/// Returns an envelope without the headers that it carries, and its bytes with them.
#[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
pub(crate) fn write(envelope: Envelope) -> (Envelope, io::Result<Vec<u8>>) {
    let mut parts = Parts::of(envelope);
    let line = parts.take_carried_header();
    let envelope = parts.into_envelope();
    let bytes = match line {
        Some(line) => write_behind(line, &envelope),
        None => {
            let mut bytes = new_line();
            envelope.to_writer(&mut bytes).map(|()| bytes)
        }
    };
    (envelope, bytes)
}

/// Writes the items of an envelope behind a first line.
fn write_behind(line: Vec<u8>, envelope: &Envelope) -> io::Result<Vec<u8>> {
    let mut bytes = line;
    envelope.to_writer(WithoutLine { out: &mut bytes, is_behind: false })?;
    Ok(bytes)
}

/// Returns the members that Sentry's server reads; none if it reads no DSC without those that are left out.
///
/// [Relay](https://github.com/getsentry/relay), which receives envelopes, reads the header as a whole or not at all: one
/// malformed member voids all others. It also refuses envelopes of streamed spans with such a header.
fn readable(dsc: &DynamicSamplingContext) -> Vec<(&str, Cow<'_, str>)> {
    let members: Vec<_> = dsc.iter().filter(|(name, value)| is_readable(name, value)).collect();
    let has = |required: &&str| members.iter().any(|(name, _)| name == required);
    if REQUIRED.iter().all(has) { members } else { Vec::new() }
}

/// The members without which Relay reads no DSC.
const REQUIRED: [&str; 2] = ["trace_id", "public_key"];

/// Whether Relay reads a member. It does not look at the values of members that are not listed here.
fn is_readable(name: &str, value: &str) -> bool {
    match name {
        "trace_id" | "replay_id" => value.parse::<Uuid>().is_ok(),
        "public_key" => value.len() == 32 && value.is_ascii(),
        // A number in JSON's grammar, which has no `.5`, `+0.5` and `NaN`. A rate over 1 is read.
        "sample_rate" => serde_json::from_str::<f64>(value).is_ok_and(|rate| rate >= 0.0),
        // Once an object, and never a text.
        "user" => false,
        _ => true,
    }
}

/// Returns the beginning of the first line, without `trace` and without its end.
fn other_headers(headers: &EnvelopeHeaders) -> Option<Vec<u8>> {
    let mut line = new_line();
    Envelope::new().with_headers(headers.clone()).to_writer(&mut line).ok()?;
    // The SDK's own `trace` is the last header. No text has a quote in it that is not escaped.
    let own = line.windows(TRACE.len()).position(|bytes| bytes == TRACE);
    line.truncate(own.unwrap_or(line.len().checked_sub(b"}\n".len())?));
    if line.ends_with(b",") {
        line.pop();
    }
    Some(line)
}

/// Returns room for the first line. Most envelopes fit into it as a whole.
fn new_line() -> Vec<u8> {
    Vec::with_capacity(6144)
}

const TRACE: &[u8] = br#""trace":"#;

/// Writes all but the first line.
struct WithoutLine<'w> {
    out: &'w mut Vec<u8>,
    is_behind: bool,
}

impl Write for WithoutLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_behind {
            self.out.extend_from_slice(bytes);
        } else if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.is_behind = true;
            self.out.extend_from_slice(&bytes[end + 1..]);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sentry_core::protocol::client_report::{Category, Item, Reason, Report};
    use sentry_core::protocol::{Attachment, Event, Transaction, Value};

    use super::*;

    const KEY: &str = "49d0f7386ad645858ae85020e393bef3";
    const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";

    /// Makes a DSC of these members, behind those that Relay needs.
    fn dsc(members: &str) -> DynamicSamplingContext {
        let line = format!("sentry-trace_id={TRACE_ID},sentry-public_key={KEY},{members}");
        DynamicSamplingContext::from_baggage([line.as_bytes()])
    }

    fn bytes(envelope: &Envelope) -> Vec<u8> {
        let mut bytes = Vec::new();
        envelope.to_writer(&mut bytes).unwrap();
        bytes
    }

    fn split(bytes: &[u8]) -> (Value, &[u8]) {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        (std::str::from_utf8(&bytes[..end]).unwrap().parse().unwrap(), &bytes[end..])
    }

    fn envelope() -> Envelope {
        let dsc: sentry_core::protocol::DynamicSamplingContext = Default::default();
        let sdk = sentry_core::protocol::ClientSdkInfo {
            name: "x".to_owned(),
            version: "1".to_owned(),
            integrations: Vec::new(),
            packages: Vec::new(),
        };
        let headers = EnvelopeHeaders::new().with_trace(dsc.with_sample_rate(0.5)).with_sdk(sdk);
        let mut envelope = Envelope::new().with_headers(headers);
        envelope.add_item(Transaction { name: Some("a\nb".to_owned()), ..Default::default() });
        envelope.add_item(Attachment {
            buffer: b"\n{\"trace\":{}}\n\xff".to_vec(),
            filename: "a".to_owned(),
            ..Default::default()
        });
        envelope
    }

    #[test]
    fn trace_header_is_exactly_the_dsc() {
        let dsc = dsc("sentry-sample_rate=0.10,sentry-sample_rand=0.1234567890123,\
            sentry-release=shop%401.4.0,sentry-replay_id=0af7651916cd43dd8448eb211c80319c,\
            sentry-odd=%22%0A%E6%97%A5");
        let envelope = envelope();
        let before = bytes(&envelope);
        let after = bytes(&Parts::of(envelope).with_header(&dsc));
        let ((mut old, old_items), (mut new, new_items)) = (split(&before), split(&after));
        assert_eq!(old_items, new_items);
        let trace = new.as_object_mut().unwrap().remove("trace").unwrap();
        assert_eq!(
            trace.to_string(),
            r#"{"odd":"\"\n日","public_key":"49d0f7386ad645858ae85020e393bef3","release":"shop@1.4.0","replay_id":"0af7651916cd43dd8448eb211c80319c","sample_rand":"0.1234567890123","sample_rate":"0.10","trace_id":"771a43a4192642f0b136d5159a501700"}"#
        );
        old.as_object_mut().unwrap().remove("trace").unwrap();
        assert_eq!(old, new);
    }

    #[test]
    fn envelopes_without_a_trace_header_get_one() {
        let dsc = dsc("sentry-release=a");
        let event = Envelope::from(Event::default());
        let id = event.uuid().unwrap().to_string();
        let headers = split(&bytes(&Parts::of(event.clone()).with_header(&dsc))).0;
        assert_eq!((&headers["trace"]["release"], &headers["event_id"]), (&"a".into(), &id.into()));
        let without_any = event.with_headers(EnvelopeHeaders::new());
        let headers = split(&bytes(&Parts::of(without_any).with_header(&dsc))).0;
        assert_eq!(headers.as_object().map(|headers| headers.len()), Some(1));
        assert_eq!(headers["trace"]["release"], "a");
    }

    #[test]
    fn empty_dsc_removes_the_header() {
        let none = DynamicSamplingContext::default();
        let after = bytes(&Parts::of(envelope()).with_header(&none));
        assert!(split(&after).0.get("trace").is_none());
        assert!(split(&after).0.get("sdk").is_some());
    }

    #[test]
    fn members_that_relay_cannot_read_are_left_out() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let dashed = "0af76519-16cd-43dd-8448-eb211c80319c";
        for (name, read, not_read) in [
            (
                "sample_rate",
                &["0.10", "1e-5", "1E%2B0", "2", "%20%090.5%0A", "-0"][..],
                &[".5", "1.", "%2B0.5", "", "NaN", "-0.5", "1e400", "01", "0x1", "null"][..],
            ),
            ("replay_id", &[id, dashed, &"0".repeat(32)], &["", "x", &id[1..], "%20"]),
            ("user", &[], &["", "x", "%7B%7D"]),
            ("sampled", &["true", "yes", ""], &[]),
            ("sample_rand", &["0.5", "2", "x", ""], &[]),
            ("org_id", &["1", "-1", "x", ""], &[]),
            ("custom", &["x", "%00", ""], &[]),
        ] {
            for (values, is_read) in [(read, true), (not_read, false)] {
                for value in values {
                    let dsc = dsc(&format!("sentry-{name}={value}"));
                    let members = readable(&dsc);
                    let is_there = members.iter().any(|(other, _)| *other == name);
                    assert_eq!(is_there, is_read, "{name}={value}");
                    assert_eq!(members.len(), 2 + usize::from(is_read), "{name}={value}");
                }
            }
        }
    }

    #[test]
    fn unreadable_dscs_are_left_out_whole() {
        let dashed = "771a43a4-1926-42f0-b136-d5159a501700";
        let id = |id: &str| format!("sentry-trace_id={id},sentry-public_key={KEY}");
        let key = |key: &str| format!("sentry-trace_id={TRACE_ID},sentry-public_key={key}");
        for (line, is_read) in [
            (id(TRACE_ID), true),
            (id(dashed), true),
            (id(&"0".repeat(32)), true),
            (id(&TRACE_ID[1..]), false),
            (id(""), false),
            (key(&"x".repeat(32)), true),
            (key(&"%C3%A9".repeat(16)), false),
            (key("key"), false),
            (key(&"x".repeat(33)), false),
            (key(&"%C3%A9".repeat(32)), false),
            (format!("sentry-trace_id={TRACE_ID},sentry-release=a"), false),
            (format!("sentry-public_key={KEY},sentry-release=a"), false),
        ] {
            let dsc = DynamicSamplingContext::from_baggage([line.as_bytes()]);
            let headers = split(&bytes(&Parts::of(envelope()).with_header(&dsc))).0;
            assert_eq!(headers.get("trace").is_some(), is_read, "{line}");
            assert!(headers.get("sdk").is_some(), "{line}");
        }
    }

    #[test]
    fn typed_header_has_the_known_members() {
        let dsc = dsc("sentry-release=a,sentry-replay_id=0af7651916cd43dd8448eb211c80319c");
        let after = Parts::of(envelope()).with_typed_header(&dsc);
        assert_eq!(after.items().count(), 2);
        let trace = &split(&bytes(&after)).0["trace"];
        assert_eq!((&trace["release"], trace.get("replay_id")), (&"a".into(), None));
    }

    #[test]
    fn client_reports_outlast_what_is_not_sent() {
        assert_eq!(Parts::of(envelope()).reports(), None);
        let mut envelope = envelope();
        envelope.add_item(Report::new(vec![Item::new(Category::Error, Reason::SampleRate, 1)]));
        let left = Parts::of(envelope).reports().unwrap();
        let kinds: Vec<_> = left.items().collect();
        assert!(matches!(kinds[..], [EnvelopeItem::ClientReport(_)]), "{kinds:?}");
    }

    #[test]
    fn envelopes_are_put_together_as_they_were() {
        let event = Envelope::from(Event::default());
        let bytes = Envelope::from_bytes_raw(b"{}\nx".to_vec()).unwrap();
        for envelope in [envelope(), event, bytes, Envelope::new()] {
            assert_eq!(Parts::of(envelope.clone()).into_envelope(), envelope);
        }
    }
}
