//! The envelope items that belong to a trace:
//! [transactions](https://develop.sentry.dev/sdk/data-model/event-payloads/transaction/),
//! [spans](https://develop.sentry.dev/sdk/telemetry/spans/span-protocol/) and
//! [events](https://develop.sentry.dev/sdk/data-model/event-payloads/).

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use tracehop::{SpanId, TraceId};

use super::record::{Dsc, Event, Span};
use super::timestamp::Timestamp;

/// The part of an envelope's header that applies to all its items.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) sdk: Option<String>,
    pub(super) dsc: Option<Arc<Dsc>>,
}

impl Source {
    /// Returns the name of the service that sent an item.
    fn service(&self, release: Option<&str>, sdk: Option<&str>) -> String {
        let name_and_version = release.and_then(|release| release.split_once('@'));
        let of_release = name_and_version.map(|(name, _)| name).filter(|name| !name.is_empty());
        of_release.or(sdk).or(self.sdk.as_deref()).unwrap_or("unnamed").to_owned()
    }
}

/// A transaction: a span with the spans below it, sent when it ends.
#[derive(Debug, Deserialize)]
pub(super) struct SentTransaction {
    contexts: Contexts<SentTrace>,
    transaction: Option<String>,
    start_timestamp: Timestamp,
    timestamp: Timestamp,
    release: Option<String>,
    sdk: Option<Named>,
    #[serde(default)]
    spans: Vec<SentSpan>,
}

#[derive(Debug, Deserialize)]
struct Contexts<T> {
    trace: T,
}

#[derive(Debug, Deserialize)]
struct SentTrace {
    trace_id: TraceId,
    span_id: SpanId,
    parent_span_id: Option<SpanId>,
    op: Option<String>,
    status: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: Option<String>,
}

impl SentTransaction {
    pub(super) fn into_spans(self, source: &Source) -> impl Iterator<Item = Span> {
        let sdk = self.sdk.and_then(|sdk| sdk.name);
        let service = source.service(self.release.as_deref(), sdk.as_deref());
        let SentTrace { trace_id, span_id, parent_span_id, op, status } = self.contexts.trace;
        let whole = Span {
            service: service.clone(),
            trace_id,
            span_id,
            parent_span_id,
            op,
            name: self.transaction,
            status,
            is_segment: true,
            start_ms: self.start_timestamp.ms(),
            duration_ms: self.timestamp.since(self.start_timestamp),
            dsc: source.dsc.clone(),
        };
        let parts = self.spans.into_iter().map(move |sent| Span {
            service: service.clone(),
            is_segment: false,
            ..sent.into_span(source)
        });
        std::iter::once(whole).chain(parts)
    }
}

/// A list of spans of one trace, each sent when it ends.
#[derive(Debug, Deserialize)]
pub(super) struct SpanContainer {
    pub(super) items: Vec<SentSpan>,
}

/// A span in a transaction, alone, or in a container. In a container, three of its fields have other names.
#[derive(Debug, Deserialize)]
pub(super) struct SentSpan {
    trace_id: TraceId,
    span_id: SpanId,
    parent_span_id: Option<SpanId>,
    op: Option<String>,
    #[serde(alias = "name")]
    description: Option<String>,
    status: Option<String>,
    #[serde(default)]
    is_segment: bool,
    start_timestamp: Timestamp,
    #[serde(alias = "end_timestamp")]
    timestamp: Timestamp,
    #[serde(default)]
    attributes: Map<String, Value>,
}

impl SentSpan {
    pub(super) fn into_span(self, source: &Source) -> Span {
        let attribute = |name: &str| self.attributes.get(name).and_then(|it| it["value"].as_str());
        let service = source.service(attribute("sentry.release"), attribute("sentry.sdk.name"));
        let op = attribute("sentry.op").map(str::to_owned);
        Span {
            service,
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_span_id: self.parent_span_id,
            op: self.op.or(op),
            name: self.description,
            status: self.status,
            is_segment: self.is_segment,
            start_ms: self.start_timestamp.ms(),
            duration_ms: self.timestamp.since(self.start_timestamp),
            dsc: source.dsc.clone(),
        }
    }
}

/// An error, or a message.
#[derive(Debug, Deserialize)]
pub(super) struct SentEvent {
    contexts: Option<Contexts<Option<SentTrace>>>,
    exception: Option<List<Exception>>,
    threads: Option<List<Thread>>,
    message: Option<Message>,
    logentry: Option<LogEntry>,
    level: Option<String>,
    release: Option<String>,
    sdk: Option<Named>,
}

/// A list that may be wrapped.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum List<T> {
    Wrapped { values: Vec<T> },
    Bare(Vec<T>),
}

impl<T> List<T> {
    fn into_values(self) -> Vec<T> {
        match self {
            Self::Wrapped { values } | Self::Bare(values) => values,
        }
    }
}

/// An error of a chain: the first is the cause, the last the result.
#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
    stacktrace: Option<Stacktrace>,
}

impl Exception {
    fn into_title_and_stack(self) -> (String, Option<Stacktrace>) {
        let title = [self.kind, self.value].into_iter().flatten().collect::<Vec<_>>().join(": ");
        (title, self.stacktrace)
    }
}

/// A thread at the time of the event. SDKs send one if the error has no stack of its own.
#[derive(Debug, Deserialize)]
struct Thread {
    stacktrace: Option<Stacktrace>,
}

/// The frames of a stack, the outermost first.
#[derive(Debug, Deserialize)]
struct Stacktrace {
    #[serde(default)]
    frames: Vec<Frame>,
}

#[derive(Debug, Deserialize)]
struct Frame {
    function: Option<String>,
    filename: Option<String>,
    lineno: Option<u64>,
    in_app: Option<bool>,
}

impl Stacktrace {
    /// Returns the frames of the application, the innermost first.
    fn lines(self) -> impl Iterator<Item = String> {
        let of_application = self.frames.into_iter().rev().filter(|it| it.in_app != Some(false));
        of_application.map(|Frame { function, filename, lineno, .. }| {
            let function = function.unwrap_or_else(|| "unnamed".to_owned());
            match (filename, lineno) {
                (Some(file), Some(line)) => format!("{function} ({file}:{line})"),
                (Some(file), None) => format!("{function} ({file})"),
                _ => function,
            }
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Entry(LogEntry),
}

#[derive(Debug, Deserialize)]
struct LogEntry {
    formatted: Option<String>,
    message: Option<String>,
}

impl SentEvent {
    /// Returns the event; `None` if it is in no trace.
    pub(super) fn into_event(self, source: &Source) -> Option<Event> {
        let SentTrace { trace_id, span_id, .. } = self.contexts?.trace?;
        let exception = self.exception.map(List::into_values).and_then(|mut chain| chain.pop());
        let (exception, own_stack) = exception.map(Exception::into_title_and_stack).unzip();
        let threads = self.threads.into_iter().flat_map(List::into_values);
        let stack =
            own_stack.flatten().or_else(|| threads.into_iter().find_map(|it| it.stacktrace));
        let message = match self.message {
            Some(Message::Text(text)) => Some(text),
            Some(Message::Entry(entry)) => entry.text(),
            None => self.logentry.and_then(LogEntry::text),
        };
        let sdk = self.sdk.and_then(|sdk| sdk.name);
        Some(Event {
            service: source.service(self.release.as_deref(), sdk.as_deref()),
            trace_id,
            span_id,
            level: self.level.unwrap_or_else(|| "error".to_owned()),
            title: exception.or(message).unwrap_or_else(|| "untitled".to_owned()),
            stack: stack.into_iter().flat_map(Stacktrace::lines).collect(),
            dsc: source.dsc.clone(),
        })
    }
}

impl LogEntry {
    fn text(self) -> Option<String> {
        self.formatted.or(self.message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";

    fn source() -> Source {
        Source { sdk: Some("sentry.test".to_owned()), dsc: None }
    }

    fn id(digit: u8) -> SpanId {
        format!("{digit:016}").parse().unwrap()
    }

    fn read<T: for<'de> Deserialize<'de>>(json: Value) -> T {
        serde_json::from_value(json).unwrap()
    }

    fn transaction(release: Value) -> Vec<Span> {
        let sent: SentTransaction = read(json!({
            "transaction": "GET /", "start_timestamp": 1.5, "timestamp": "1970-01-01T00:00:02.25Z",
            "release": release,
            "contexts": { "trace": { "trace_id": TRACE_ID, "span_id": id(1), "parent_span_id": id(9),
                "op": "http.server", "status": "ok" } },
            "spans": [{ "trace_id": TRACE_ID, "span_id": id(2), "parent_span_id": id(1),
                "op": "http.client", "description": "GET /stock", "status": "not_found",
                "start_timestamp": 2, "timestamp": 1 }],
        }));
        sent.into_spans(&source()).collect()
    }

    #[test]
    fn transactions_become_a_segment_with_child_spans() {
        let spans = transaction(json!("shop@1"));
        let whole = Span {
            service: "shop".to_owned(),
            trace_id: TRACE_ID.parse().unwrap(),
            span_id: id(1),
            parent_span_id: Some(id(9)),
            op: Some("http.server".to_owned()),
            name: Some("GET /".to_owned()),
            status: Some("ok".to_owned()),
            is_segment: true,
            start_ms: 1500.0,
            duration_ms: 750.0,
            dsc: None,
        };
        let part = Span {
            span_id: id(2),
            parent_span_id: Some(id(1)),
            op: Some("http.client".to_owned()),
            name: Some("GET /stock".to_owned()),
            status: Some("not_found".to_owned()),
            is_segment: false,
            start_ms: 2000.0,
            // The end is before the start, as if a clock was set back.
            duration_ms: 0.0,
            ..whole.clone()
        };
        assert_eq!(spans, [whole, part]);
    }

    #[test]
    fn services_are_named_by_release_or_sdk() {
        let table = [
            (json!("shop@1"), "shop"),
            (json!("@1"), "sentry.test"),
            (json!("77112ab"), "sentry.test"),
            (Value::Null, "sentry.test"),
        ];
        for (release, service) in table {
            let spans = transaction(release.clone());
            assert!(spans.iter().all(|span| span.service == service), "{release}: {spans:?}");
        }
    }

    #[test]
    fn spans_in_containers_are_read_by_attributes() {
        let sent: SpanContainer = read(json!({ "version": 2, "items": [{
            "trace_id": TRACE_ID, "span_id": id(2), "parent_span_id": id(1), "is_segment": true,
            "name": "GET /stock", "status": "ok", "start_timestamp": 1, "end_timestamp": 1.25,
            "attributes": {
                "sentry.op": { "type": "string", "value": "http.client" },
                "sentry.release": { "type": "string", "value": "page@2" },
            },
        }] }));
        let span = sent.items.into_iter().next().unwrap().into_span(&source());
        assert_eq!(span.op.as_deref(), Some("http.client"));
        assert_eq!(span.name.as_deref(), Some("GET /stock"));
        assert_eq!((span.service.as_str(), span.is_segment), ("page", true));
        assert_eq!((span.start_ms, span.duration_ms), (1000.0, 250.0));
    }

    fn event(mut json: Value) -> Event {
        json["contexts"] = json!({ "trace": { "trace_id": TRACE_ID, "span_id": id(1) } });
        read::<SentEvent>(json).into_event(&source()).unwrap()
    }

    #[test]
    fn events_are_titled_by_error_or_message() {
        let cause = json!({ "type": "Io", "value": "gone" });
        let error = json!({ "type": "SoldOut", "value": "no kettles" });
        let table = [
            (json!({ "exception": { "values": [cause, error] } }), "SoldOut: no kettles"),
            (json!({ "exception": [error] }), "SoldOut: no kettles"),
            (json!({ "exception": { "values": [{ "type": "SoldOut" }] } }), "SoldOut"),
            (json!({ "message": "no kettles" }), "no kettles"),
            (json!({ "message": { "formatted": "no kettles" } }), "no kettles"),
            (
                json!({ "logentry": { "message": "no %s", "formatted": "no kettles" } }),
                "no kettles",
            ),
            (json!({ "logentry": { "message": "no %s" } }), "no %s"),
            (json!({}), "untitled"),
        ];
        for (sent, title) in table {
            assert_eq!(event(sent.clone()).title, title, "{sent}");
        }
        assert_eq!(event(json!({})).level, "error");
        assert_eq!(event(json!({ "level": "warning" })).level, "warning");
        assert_eq!(event(json!({ "release": "shop@1" })).service, "shop");
    }

    #[test]
    fn stacks_are_those_of_the_error_or_of_a_thread() {
        let of = |function: &str| json!({ "stacktrace": { "frames": [{ "function": function }] } });
        let table = [
            (
                json!({ "exception": [of("cause"), of("error")], "threads": [of("thread")] }),
                "error",
            ),
            (
                json!({ "exception": [{ "type": "SoldOut" }], "threads": [{}, of("thread")] }),
                "thread",
            ),
            (json!({ "message": "no kettles", "threads": { "values": [of("thread")] } }), "thread"),
        ];
        for (sent, function) in table {
            assert_eq!(event(sent.clone()).stack, [function], "{sent}");
        }
        assert_eq!(event(json!({ "threads": [{}] })).stack, [""; 0]);
    }

    #[test]
    fn events_without_a_trace_are_ignored() {
        for contexts in [json!(null), json!({ "os": {} })] {
            let sent: SentEvent = read(json!({ "contexts": contexts }));
            assert_eq!(sent.into_event(&source()), None);
        }
    }
}
