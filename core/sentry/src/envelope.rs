//! The `trace` header of an envelope.

use sentry_core::Envelope;
use sentry_core::protocol::{Context, EnvelopeItem, TraceContext, Value};

use tracehop::DynamicSamplingContext;

/// Returns the trace of an envelope's transaction or error.
pub(crate) fn trace_of(envelope: &Envelope) -> Option<&TraceContext> {
    let contexts = envelope.items().find_map(|item| match item {
        EnvelopeItem::Transaction(transaction) => Some(&transaction.contexts),
        EnvelopeItem::Event(event) => Some(&event.contexts),
        _ => None,
    })?;
    match contexts.get("trace")? {
        Context::Trace(context) => Some(context),
        _ => None,
    }
}

/// Puts the error of an envelope into another trace.
pub(crate) fn with_trace_of_event(envelope: Envelope, context: &TraceContext) -> Envelope {
    let headers = envelope.headers().clone();
    let mut changed = Envelope::new();
    for mut item in envelope.into_items() {
        if let EnvelopeItem::Event(event) = &mut item {
            event.contexts.insert("trace".to_owned(), context.clone().into());
        }
        changed.add_item(item);
    }
    changed.with_headers(headers)
}

/// Sets the `trace` header of an envelope to a dynamic sampling context, or removes it if that is empty. An envelope
/// that cannot be written is returned unchanged.
///
/// The SDK's type for this header holds neither unknown items, such as a `replay_id`, nor the text of a rate. And the
/// SDK's own transports drop all headers but the event's id when they filter the items by rate limits. So the envelope
/// is handed on as bytes. Such a transport does not see the items, and holds the envelope back only under a limit
/// for everything. Sentry enforces the other limits.
pub(crate) fn with_trace_header(envelope: Envelope, dsc: &DynamicSamplingContext) -> Envelope {
    try_with_trace_header(&envelope, dsc).unwrap_or(envelope)
}

/// Returns `None` where the envelope stays as it is.
fn try_with_trace_header(envelope: &Envelope, dsc: &DynamicSamplingContext) -> Option<Envelope> {
    // Most envelopes fit into this.
    let mut bytes = Vec::with_capacity(4096);
    Envelope::new().with_headers(envelope.headers().clone()).to_writer(&mut bytes).ok()?;
    let mut headers: Value = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
    let fields = headers.as_object_mut()?;
    if dsc.is_empty() {
        // The head of the trace sends no DSC, so this service sends none either.
        fields.remove("trace")?;
    } else {
        fields.insert("trace".to_owned(), dsc.iter().collect());
    }
    bytes.clear();
    envelope.to_writer(&mut bytes).ok()?;
    let behind_headers = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = headers.to_string();
    bytes.splice(..behind_headers, line.into_bytes());
    Envelope::from_bytes_raw(bytes).ok()
}

#[cfg(test)]
mod tests {
    use sentry_core::protocol::{Attachment, EnvelopeHeaders, Event, Transaction};

    use super::*;

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
        let line = "sentry-sample_rate=0.10,sentry-sample_rand=0.1234567890123,\
            sentry-release=shop%401.4.0,sentry-replay_id=0af7651916cd43dd8448eb211c80319c,\
            sentry-odd=%22%0A%E6%97%A5";
        let dsc = DynamicSamplingContext::from_baggage([line.as_bytes()]);
        let envelope = envelope();
        let before = bytes(&envelope);
        let after = bytes(&with_trace_header(envelope, &dsc));
        let ((mut old, old_items), (mut new, new_items)) = (split(&before), split(&after));
        assert_eq!(old_items, new_items);
        let trace = new.as_object_mut().unwrap().remove("trace").unwrap();
        assert_eq!(
            trace.to_string(),
            r#"{"odd":"\"\n日","release":"shop@1.4.0","replay_id":"0af7651916cd43dd8448eb211c80319c","sample_rand":"0.1234567890123","sample_rate":"0.10"}"#
        );
        old.as_object_mut().unwrap().remove("trace").unwrap();
        assert_eq!(old, new);
    }

    #[test]
    fn empty_dsc_removes_the_header() {
        let none = DynamicSamplingContext::default();
        let after = bytes(&with_trace_header(envelope(), &none));
        assert!(split(&after).0.get("trace").is_none());

        let mut event = Envelope::new();
        event.add_item(Event::default());
        let after = with_trace_header(event.clone(), &none);
        assert!(after.event().is_some() && after == event);
    }

    #[test]
    fn errors_change_only_their_trace() {
        let context = TraceContext { op: Some("http.server".to_owned()), ..Default::default() };
        let mut envelope = envelope();
        envelope.add_item(Event { message: Some("boom".to_owned()), ..Default::default() });
        let after = with_trace_of_event(envelope.clone(), &context);
        assert_eq!(after.headers(), envelope.headers());
        assert_eq!(after.items().count(), 3);
        let event = after.event().unwrap();
        assert_eq!(event.message.as_deref(), Some("boom"));
        assert_eq!(event.contexts.get("trace"), Some(&Context::from(context)));
    }
}
