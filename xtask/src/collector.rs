//! The collector's HTTP interface, as far as the chores use it.

pub(crate) mod trace;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use self::trace::{Span, Trace};
use crate::service::agent;

/// A running collector.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    agent: Agent,
    url: String,
}

#[derive(Deserialize)]
struct ListedTrace {
    trace_id: String,
    spans: usize,
}

impl Collector {
    /// `url` is its origin, without a slash at the end.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self { agent: agent(), url: url.into() }
    }

    /// Its origin, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The DSN for an SDK that sends here. Its host names no organisation. Its key has 32 characters, because Sentry
    /// ignores a dynamic sampling context with any other key.
    pub(crate) fn dsn(&self) -> String {
        format!("{}/1", self.url.replacen("://", "://0123456789abcdef0123456789abcdef@", 1))
    }

    /// The URL of the page that draws the trace.
    pub(crate) fn trace_url(&self, trace_id: &str) -> String {
        format!("{}/traces/{trace_id}", self.url)
    }

    /// Returns what arrived of a trace so far; nothing for an unknown trace.
    pub(crate) fn trace(&self, trace_id: &str) -> Result<Trace> {
        Ok(self.json(&format!("/traces/{trace_id}/json"))?.unwrap_or_default())
    }

    pub(crate) fn trace_as_text(&self, trace_id: &str) -> Result<String> {
        let url = format!("{}/traces/{trace_id}/text", self.url);
        let response = self.agent.get(&url).call();
        let text = response.and_then(|mut response| response.body_mut().read_to_string());
        text.with_context(|| format!("GET {url}"))
    }

    /// The trace with the most spans; of several, the newest. A browser requests more than the page, for example an
    /// icon, and a service may record such a request as a trace of its own.
    pub(crate) fn largest_trace(&self) -> Result<Option<String>> {
        let newest_first: Vec<ListedTrace> = self.json("/traces")?.unwrap_or_default();
        // Of equal elements the last is taken.
        let largest = newest_first.into_iter().rev().max_by_key(|trace| trace.spans);
        Ok(largest.map(|trace| trace.trace_id))
    }

    /// All spans that arrived, of any trace.
    pub(crate) fn spans(&self) -> Result<Vec<Span>> {
        Ok(self.json("/spans")?.unwrap_or_default())
    }

    /// All envelopes that arrived, as they were sent, oldest first.
    pub(crate) fn envelopes(&self) -> Result<Vec<String>> {
        Ok(self.json("/envelopes")?.unwrap_or_default())
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let url = format!("{}{path}", self.url);
        let response = match self.agent.get(&url).call() {
            Err(ureq::Error::StatusCode(404)) => return Ok(None),
            response => response,
        };
        let value = response.and_then(|mut response| response.body_mut().read_json());
        Ok(Some(value.with_context(|| format!("GET {url}"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{TestServer, json_reply, not_found};

    #[test]
    fn the_newest_of_the_largest_traces_is_found() {
        let server = TestServer::start(|_| {
            json_reply(
                r#"[{"trace_id":"icon","spans":1,"events":9},{"trace_id":"newer","spans":4,"events":0},
                    {"trace_id":"older","spans":4,"events":0}]"#,
            )
        });
        let collector = Collector::new(server.url());
        assert_eq!(collector.largest_trace().unwrap().as_deref(), Some("newer"));
    }

    #[test]
    fn unknown_traces_are_empty() {
        let server = TestServer::start(|_| not_found());
        let trace = Collector::new(server.url()).trace("0").unwrap();
        assert_eq!((trace.spans.len(), trace.events.len()), (0, 0));
        assert_eq!(server.requests()[0].url, "/traces/0/json");
    }

    #[test]
    fn its_dsn_has_a_key_of_32_characters() {
        let dsn = Collector::new("http://127.0.0.1:4000").dsn();
        assert_eq!(dsn, "http://0123456789abcdef0123456789abcdef@127.0.0.1:4000/1");
    }
}
