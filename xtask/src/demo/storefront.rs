//! The storefront's HTTP interface, as far as the demo uses it.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use super::hop::Hop;
use crate::service::agent;

/// A running storefront.
#[derive(Debug, Clone)]
pub(crate) struct Storefront {
    agent: Agent,
    url: String,
}

#[derive(Deserialize)]
struct ListedTrace {
    trace_id: String,
    hops: usize,
}

#[derive(Deserialize)]
struct Trace {
    hops: Vec<Hop>,
}

impl Storefront {
    /// `url` is its origin, without a slash at the end.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self { agent: agent(), url: url.into() }
    }

    /// Its origin, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where a person sees the trace drawn.
    pub(crate) fn trace_url(&self, trace_id: &str) -> String {
        format!("{}/traces/{trace_id}", self.url)
    }

    pub(crate) fn page(&self) -> Result<String> {
        self.text("/")
    }

    /// The recorded hops of a trace; none if the storefront does not know the trace.
    pub(crate) fn hops(&self, trace_id: &str) -> Result<Vec<Hop>> {
        let trace: Option<Trace> = self.json(&format!("/traces/{trace_id}/json"))?;
        Ok(trace.map(|trace| trace.hops).unwrap_or_default())
    }

    pub(crate) fn trace_as_text(&self, trace_id: &str) -> Result<String> {
        self.text(&format!("/traces/{trace_id}/text"))
    }

    /// The trace with the most hops, the newest of them if several have as many. A browser asks
    /// for more than the page, for example for an icon, and that may be recorded as well.
    pub(crate) fn largest_trace(&self) -> Result<Option<String>> {
        let newest_first: Vec<ListedTrace> = self.json("/traces")?.unwrap_or_default();
        // Of equal elements the last is taken.
        let largest = newest_first.into_iter().rev().max_by_key(|trace| trace.hops);
        Ok(largest.map(|trace| trace.trace_id))
    }

    pub(crate) fn report(&self, hop: &Hop) -> Result<()> {
        let url = format!("{}/hops", self.url);
        let response = self.agent.post(&url).send_json(hop);
        response.with_context(|| format!("POST {url}"))?;
        Ok(())
    }

    fn text(&self, path: &str) -> Result<String> {
        let url = format!("{}{path}", self.url);
        let response = self.agent.get(&url).call();
        let text = response.and_then(|mut response| response.body_mut().read_to_string());
        text.with_context(|| format!("GET {url}"))
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
    use crate::demo::test_server::{TestServer, json_reply, not_found};

    #[test]
    fn the_newest_of_the_largest_traces_is_found() {
        let server = TestServer::start(|_| {
            json_reply(
                r#"[{"trace_id":"icon","hops":1},{"trace_id":"newer","hops":4},
                    {"trace_id":"older","hops":4}]"#,
            )
        });
        let storefront = Storefront::new(server.url());
        assert_eq!(storefront.largest_trace().unwrap().as_deref(), Some("newer"));
    }

    #[test]
    fn an_unknown_trace_has_no_hops() {
        let server = TestServer::start(|_| not_found());
        let storefront = Storefront::new(server.url());
        assert_eq!(storefront.hops("0").unwrap(), []);
        assert_eq!(server.requests()[0].url, "/traces/0/json");
    }

    #[test]
    fn hops_may_come_without_the_optional_fields() {
        let server = TestServer::start(|_| {
            json_reply(
                r#"{"trace_id":"0","hops":[{"service":"storefront","name":"GET /","trace_id":"0",
                    "span_id":"1","dsc":"","continued":false,"start_ms":1,"duration_ms":2.5}]}"#,
            )
        });
        let hops = Storefront::new(server.url()).hops("0").unwrap();
        assert_eq!(hops[0].parent_span_id, None);
        assert_eq!(hops[0].sampled, None);
    }
}
