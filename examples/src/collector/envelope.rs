//! Reads [envelopes](https://develop.sentry.dev/sdk/foundations/envelopes/): their spans, errors and messages.
//!
//! The reader of the crate `sentry-types` cannot be used. It refuses an envelope with an item of an unknown type, and
//! the spans that the JavaScript SDKs send without a transaction are such items.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::payload::{SentEvent, SentSpan, SentTransaction, Source, SpanContainer};
use super::record::{Dsc, Event, Span};

/// The spans and events of one envelope.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The envelope as it was sent. Bytes that are not UTF-8 are replaced.
    pub(super) text: String,
    pub(super) event_id: Option<String>,
    pub(super) spans: Vec<Span>,
    pub(super) events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Header {
    event_id: Option<String>,
    trace: Option<Arc<Dsc>>,
    sdk: Option<Sdk>,
}

#[derive(Debug, Deserialize)]
struct Sdk {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ItemHeader {
    #[serde(rename = "type")]
    kind: String,
    length: Option<usize>,
    /// Only containers have this field.
    item_count: Option<usize>,
}

/// The error for bytes that are not an envelope.
#[derive(Debug)]
pub(super) struct EnvelopeError {
    what: &'static str,
    source: Option<serde_json::Error>,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an envelope: {}", self.what)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl std::error::Error for EnvelopeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

impl Envelope {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let (header, mut rest) = line(bytes);
        let Header { event_id, trace, sdk } = json("the header", header)?;
        let source = Source { sdk: sdk.and_then(|sdk| sdk.name), dsc: trace };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut envelope = Self { text, event_id, spans: Vec::new(), events: Vec::new() };
        while !rest.is_empty() {
            rest = envelope.read_item(&source, rest)?;
        }
        Ok(envelope)
    }

    /// Reads one item, and returns the bytes after it.
    fn read_item<'a>(
        &mut self,
        source: &Source,
        bytes: &'a [u8],
    ) -> Result<&'a [u8], EnvelopeError> {
        let (header, rest) = line(bytes);
        let header: ItemHeader = json("the header of an item", header)?;
        let (payload, rest) = match header.length {
            Some(length) => {
                let (payload, rest) = rest.split_at_checked(length).ok_or(EnvelopeError {
                    what: "an item is shorter than its header says",
                    source: None,
                })?;
                (payload, rest.strip_prefix(b"\n").unwrap_or(rest))
            }
            None => line(rest),
        };
        match header.kind.as_str() {
            "transaction" => {
                let sent: SentTransaction = json("a transaction", payload)?;
                self.spans.extend(sent.into_spans(source));
            }
            "span" if header.item_count.is_some() => {
                let sent: SpanContainer = json("a list of spans", payload)?;
                self.spans.extend(sent.items.into_iter().map(|sent| sent.into_span(source)));
            }
            "span" => {
                let sent: SentSpan = json("a span", payload)?;
                self.spans.push(sent.into_span(source));
            }
            "event" => {
                let sent: SentEvent = json("an event", payload)?;
                self.events.extend(sent.into_event(source));
            }
            _ => {}
        }
        Ok(rest)
    }
}

/// Splits bytes into the first line and the rest.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    (line, rest.strip_prefix(b"\n").unwrap_or(rest))
}

fn json<'a, T: Deserialize<'a>>(what: &'static str, bytes: &'a [u8]) -> Result<T, EnvelopeError> {
    serde_json::from_slice(bytes).map_err(|source| EnvelopeError { what, source: Some(source) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: &str = r#"{"trace_id":"771a43a4192642f0b136d5159a501700","span_id":"1234567890abcdef",
        "start_timestamp":1,"timestamp":2}"#;

    /// Makes an item of this type, with a length in its header or without.
    fn item(kind: &str, payload: &str, with_length: bool) -> String {
        let payload = payload.replace('\n', "");
        let length =
            if with_length { format!(",\"length\":{}", payload.len()) } else { String::new() };
        format!("{{\"type\":\"{kind}\"{length}}}\n{payload}")
    }

    fn read(envelope: &str) -> Envelope {
        Envelope::read(envelope.as_bytes()).unwrap()
    }

    #[test]
    fn item_length_and_final_newline_are_optional() {
        for with_length in [true, false] {
            for end in ["", "\n"] {
                let item = item("span", SPAN, with_length);
                assert_eq!(read(&format!("{{}}\n{item}\n{item}{end}")).spans.len(), 2);
            }
        }
    }

    #[test]
    fn items_of_other_types_are_skipped() {
        let span = item("span", SPAN, false);
        let envelope = format!(
            "{{}}\n{{\"type\":\"new\"}}\nnot JSON\n{{\"type\":\"attachment\",\"length\":3}}\na\nb\n{span}\n"
        );
        assert_eq!(read(&envelope).spans.len(), 1);
    }

    #[test]
    fn trace_header_is_the_dsc_of_all_items() {
        let event = r#"{"contexts":{"trace":{"trace_id":"771a43a4192642f0b136d5159a501700",
            "span_id":"1234567890abcdef"}}}"#;
        let (span, event) = (item("span", SPAN, false), item("event", event, false));
        let envelope = read(&format!(
            "{{\"event_id\":\"e\",\"trace\":{{\"replay_id\":\"0.10\"}}}}\n{span}\n{event}"
        ));
        let dsc = Some(Arc::new(Dsc::from([("replay_id".to_owned(), "0.10".to_owned())])));
        assert_eq!((&envelope.spans[0].dsc, &envelope.events[0].dsc), (&dsc, &dsc));
        assert_eq!(envelope.event_id.as_deref(), Some("e"));
    }

    #[test]
    fn malformed_envelopes_are_refused_with_the_reason() {
        let table = [
            ("", "not an envelope: the header: "),
            ("{}\nx", "not an envelope: the header of an item: "),
            (
                "{}\n{\"type\":\"event\",\"length\":9}\n{}",
                "not an envelope: an item is shorter than",
            ),
            ("{}\n{\"type\":\"transaction\"}\n{}", "not an envelope: a transaction: missing field"),
            ("{}\n{\"type\":\"span\"}\n{}", "not an envelope: a span: missing field"),
            ("{}\n{\"type\":\"span\",\"item_count\":1}\n{}", "not an envelope: a list of spans: "),
        ];
        for (bytes, message) in table {
            let error = Envelope::read(bytes.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{bytes:?}: {error}");
        }
    }
}
