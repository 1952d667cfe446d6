//! [Envelopes](https://develop.sentry.dev/sdk/data-model/envelopes/), as far as spans go.
//!
//! Not with the crate `sentry-types`: its reader refuses an envelope over an item of a type that it does not know,
//! and spans as the JavaScript SDKs send them by themselves, without a transaction, are one.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Span;

/// What was sent at once: a header and items.
#[derive(Debug)]
pub(super) struct Envelope {
    header: Header,
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Header {
    event_id: Option<String>,
    trace: Option<BTreeMap<String, String>>,
}

#[derive(Debug)]
enum Item {
    Transaction(Transaction),
    Spans(SpanContainer),
    Other,
}

#[derive(Debug, Deserialize)]
struct ItemHeader {
    #[serde(rename = "type")]
    kind: String,
    length: Option<usize>,
}

/// A span and all below it, at its end.
#[derive(Debug, Deserialize)]
struct Transaction {
    contexts: Contexts,
    #[serde(default)]
    spans: Vec<SentSpan>,
}

#[derive(Debug, Deserialize)]
struct Contexts {
    trace: SentSpan,
}

/// Spans as they end.
#[derive(Debug, Deserialize)]
struct SpanContainer {
    items: Vec<SentSpan>,
}

#[derive(Debug, Deserialize)]
struct SentSpan {
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    op: Option<String>,
    #[serde(default)]
    is_segment: bool,
    #[serde(default)]
    attributes: Map<String, Value>,
}

/// Bytes that are no envelope.
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
        let header = json("the header", header)?;
        let mut items = Vec::new();
        while !rest.is_empty() {
            let (item, after) = Item::read(rest)?;
            items.push(item);
            rest = after;
        }
        Ok(Self { header, items })
    }

    pub(super) fn event_id(&self) -> Option<&str> {
        self.header.event_id.as_deref()
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let dsc = self.header.trace.as_ref();
        let span = |sent: &SentSpan, is_segment| sent.to_span(is_segment, dsc);
        let mut spans = Vec::new();
        for item in &self.items {
            match item {
                Item::Transaction(sent) => {
                    spans.push(span(&sent.contexts.trace, true));
                    spans.extend(sent.spans.iter().map(|sent| span(sent, false)));
                }
                Item::Spans(sent) => {
                    spans.extend(sent.items.iter().map(|sent| span(sent, sent.is_segment)));
                }
                Item::Other => {}
            }
        }
        spans
    }
}

impl Item {
    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), EnvelopeError> {
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
        let item = match header.kind.as_str() {
            "transaction" => Self::Transaction(json("a transaction", payload)?),
            "span" => Self::Spans(json("a list of spans", payload)?),
            _ => Self::Other,
        };
        Ok((item, rest))
    }
}

impl SentSpan {
    fn to_span(&self, is_segment: bool, dsc: Option<&BTreeMap<String, String>>) -> Span {
        let attribute = self.attributes.get("sentry.op").and_then(|it| it["value"].as_str());
        Span {
            trace_id: self.trace_id.clone(),
            span_id: self.span_id.clone(),
            parent_span_id: self.parent_span_id.clone(),
            op: self.op.clone().or(attribute.map(str::to_owned)),
            is_segment,
            dsc: dsc.cloned(),
        }
    }
}

/// The first line, and what follows its end.
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

    const TRANSACTION: &str = r#"{"contexts":{"trace":{"trace_id":"a","span_id":"1","parent_span_id":"0",
"op":"http.server"}},"spans":[{"trace_id":"a","span_id":"2","parent_span_id":"1","op":"http.client"}]}"#;

    fn ids(envelope: &str) -> Vec<(String, Option<String>, Option<String>, bool)> {
        let spans = Envelope::read(envelope.as_bytes()).unwrap().spans();
        spans.into_iter().map(|it| (it.span_id, it.parent_span_id, it.op, it.is_segment)).collect()
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_transaction_is_a_segment_with_spans_below() {
        let length = TRANSACTION.len();
        for end in ["", "\n"] {
            let envelope = format!(
                "{{}}\n{{\"type\":\"transaction\",\"length\":{length}}}\n{TRANSACTION}{end}"
            );
            assert_eq!(
                ids(&envelope),
                [
                    ("1".to_owned(), text("0"), text("http.server"), true),
                    ("2".to_owned(), text("1"), text("http.client"), false),
                ]
            );
        }
    }

    #[test]
    fn spans_come_in_containers_as_well() {
        let envelope = r#"{"sdk":{"name":"sentry.javascript.node"}}
{"type":"span","item_count":2}
{"version":2,"items":[{"trace_id":"a","span_id":"2","parent_span_id":"1","is_segment":false,"attributes":{"sentry.op":{"value":"http.client","type":"string"}}},{"trace_id":"a","span_id":"1","is_segment":true}]}"#;
        assert_eq!(
            ids(envelope),
            [
                ("2".to_owned(), text("1"), text("http.client"), false),
                ("1".to_owned(), None, None, true),
            ]
        );
    }

    #[test]
    fn items_of_other_types_are_passed_over() {
        let envelope = "{}\n{\"type\":\"new\"}\nnot JSON\n{\"type\":\"attachment\",\"length\":3}\na\nb\n\
            {\"type\":\"span\"}\n{\"items\":[{\"trace_id\":\"a\",\"span_id\":\"1\"}]}\n";
        assert_eq!(ids(envelope).len(), 1);
    }

    #[test]
    fn the_trace_of_the_header_is_every_spans_dsc() {
        let envelope = r#"{"event_id":"e","trace":{"trace_id":"a","sampled":"true"}}
{"type":"span"}
{"items":[{"trace_id":"a","span_id":"1"}]}"#;
        let envelope = Envelope::read(envelope.as_bytes()).unwrap();
        let expected = [("sampled", "true"), ("trace_id", "a")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(envelope.spans()[0].dsc, Some(BTreeMap::from(expected)));
        assert_eq!(envelope.event_id(), Some("e"));
    }

    #[test]
    fn what_is_no_envelope_is_refused_with_the_reason() {
        let table = [
            ("", "not an envelope: the header: "),
            ("{}\nx", "not an envelope: the header of an item: "),
            (
                "{}\n{\"type\":\"event\",\"length\":9}\n{}",
                "not an envelope: an item is shorter than",
            ),
            ("{}\n{\"type\":\"transaction\"}\n{}", "not an envelope: a transaction: "),
        ];
        for (bytes, message) in table {
            let error = Envelope::read(bytes.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{bytes:?}: {error}");
        }
    }
}
