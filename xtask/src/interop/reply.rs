//! The replies of services to a request that went through them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

pub(super) use crate::headers::Dsc;
use crate::headers::{self, SentryTrace};

/// The reply of one service, with the reply that the next one gave to it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reply {
    pub(super) service: String,
    /// The propagation headers as they arrived.
    pub(super) received: BTreeMap<String, String>,
    pub(super) trace_id: Option<String>,
    pub(super) span_id: Option<String>,
    pub(super) parent_span_id: Option<String>,
    pub(super) sampled: Option<bool>,
    pub(super) not_continued: Option<String>,
    pub(super) client_span_id: Option<String>,
    /// The dynamic sampling context that the service works with, as baggage.
    own_dsc: Option<String>,
    next: Option<Box<Reply>>,
}

impl Reply {
    /// This reply and those below it, in the order of the chain.
    pub(super) fn flatten(mut self) -> Vec<Self> {
        let next = self.next.take();
        let mut replies = vec![self];
        replies.extend(next.map_or_else(Vec::new, |next| next.flatten()));
        replies
    }

    /// The `sentry-trace` that arrived.
    pub(super) fn sentry_trace(&self) -> Result<SentryTrace> {
        let header = self.received.get("sentry-trace");
        let header = header.with_context(|| format!("{} got no sentry-trace", self.service))?;
        SentryTrace::parse(header)
    }

    /// The `traceparent` that arrived, as its trace id, span id and flags.
    pub(super) fn traceparent(&self) -> Result<(String, String, String)> {
        let header = self.received.get("traceparent").map(String::as_str).unwrap_or_default();
        match *header.split('-').collect::<Vec<_>>() {
            ["00", trace_id, span_id, flags] => {
                Ok((trace_id.to_owned(), span_id.to_owned(), flags.to_owned()))
            }
            _ => anyhow::bail!("{} got no traceparent, but {header:?}", self.service),
        }
    }

    /// The baggage that arrived, as it arrived.
    pub(super) fn baggage(&self) -> &str {
        self.received.get("baggage").map(String::as_str).unwrap_or_default()
    }

    /// The dynamic sampling context that the service works with.
    pub(super) fn own_dsc(&self) -> Dsc {
        dsc(self.own_dsc.as_deref().unwrap_or_default())
    }

    /// The dynamic sampling context that the service works with, byte for byte, without properties.
    pub(super) fn exact_dsc(&self) -> Dsc {
        let members = self.own_dsc.as_deref().unwrap_or_default().split(',');
        let members = members.map(|member| member.split(';').next().unwrap_or_default());
        headers::dsc(&members.collect::<Vec<_>>().join(","))
    }

    /// The dynamic sampling context that arrived.
    pub(super) fn dsc(&self) -> Dsc {
        dsc(self.baggage())
    }
}

/// The dynamic sampling context in tidy baggage, comparable.
pub(super) fn dsc(baggage: &str) -> Dsc {
    comparable(headers::dsc(baggage))
}

/// Writes the numbers in one form: Python's SDK writes a rate of 1 as `1.0`, and Node's a random number without the
/// zeros at its end.
pub(super) fn comparable(mut dsc: Dsc) -> Dsc {
    for name in ["sample_rand", "sample_rate"] {
        if let Some(value) = dsc.get_mut(name)
            && let Ok(number) = value.parse::<f64>()
        {
            *value = number.to_string();
        }
    }
    dsc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(json: &str) -> Reply {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn chains_are_read_from_their_head() {
        let json =
            r#"{"service":"a","received":{},"next":{"service":"b","received":{},"next":null}}"#;
        let services: Vec<_> = reply(json).flatten().into_iter().map(|it| it.service).collect();
        assert_eq!(services, ["a", "b"]);
    }

    #[test]
    fn missing_headers_are_named() {
        let reply = reply(r#"{"service":"a","received":{"traceparent":"01-a-b-00"},"next":null}"#);
        let error = reply.sentry_trace().unwrap_err().to_string();
        assert_eq!(error, "a got no sentry-trace");
        let error = reply.traceparent().unwrap_err().to_string();
        assert_eq!(error, "a got no traceparent, but \"01-a-b-00\"");
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let read = dsc("sentry-sampled=true,sentry-sample_rate=1.0,sentry-release=1.0");
        let expected = [("release", "1.0"), ("sampled", "true"), ("sample_rate", "1")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
