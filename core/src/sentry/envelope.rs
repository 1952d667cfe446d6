//! The `trace` header of an envelope.

use sentry_core::Envelope;
use sentry_core::protocol::{Context, EnvelopeItem, TraceContext, Value};

use crate::dsc::DynamicSamplingContext;

/// The trace that an envelope's transaction or error is of.
pub(super) fn trace_of(envelope: &Envelope) -> Option<&TraceContext> {
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

/// The same envelope with its error in another trace.
pub(super) fn with_trace_of_event(envelope: Envelope, context: &TraceContext) -> Envelope {
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

/// The same envelope with a dynamic sampling context as its `trace` header, or none if that is empty. An envelope
/// that cannot be written is returned as it is: whoever sends it finds that out too.
///
/// The SDK has a type for this header. It holds neither an item that it does not know, such as a `replay_id`, nor the
/// text of a rate, and the SDK's own transports drop it, with all headers but the event's id, when they filter the
/// items by rate limits. So the envelope is handed on as bytes. The price is that such a transport does not see what
/// is in it, and holds it back only when a limit is for everything: the others Sentry enforces by itself.
pub(super) fn with_trace_header(envelope: Envelope, dsc: &DynamicSamplingContext) -> Envelope {
    try_with_trace_header(&envelope, dsc).unwrap_or(envelope)
}

/// `None`: as it is.
fn try_with_trace_header(envelope: &Envelope, dsc: &DynamicSamplingContext) -> Option<Envelope> {
    // Envelopes are small, and most grow to this.
    let mut bytes = Vec::with_capacity(4096);
    Envelope::new().with_headers(envelope.headers().clone()).to_writer(&mut bytes).ok()?;
    let mut headers: Value = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
    let fields = headers.as_object_mut()?;
    if dsc.is_empty() {
        // That of an SDK that is older than this context stays away, as the caller wants it.
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
    fn the_trace_header_is_the_dsc_to_the_letter_and_nothing_else_changes() {
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
    fn an_empty_dsc_takes_the_header_away_and_leaves_what_has_none() {
        let none = DynamicSamplingContext::default();
        let after = bytes(&with_trace_header(envelope(), &none));
        assert!(split(&after).0.get("trace").is_none());

        let mut event = Envelope::new();
        event.add_item(Event::default());
        let after = with_trace_header(event.clone(), &none);
        assert!(after.event().is_some() && after == event);
    }

    #[test]
    fn an_error_changes_its_trace_and_the_rest_stays() {
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
