//! The description of a request, for its transaction and for the errors in it.

use std::net::IpAddr;

use sentry_core::protocol::Request;
use sentry_core::utils::is_sensitive_header;
use sentry_core::{Hub, protocol};
use tracehop::Field;
use tracehop::hop::{known_method, redact_url};
use tracehop::recorder::IncomingRequest;

use crate::url_limit::cut;

/// What a description is made of. Most requests that are not sampled never need one.
pub(crate) struct Described {
    method: &'static str,
    url: String,
    /// One line for each header: name, colon, value.
    headers: String,
    /// `None` without `send_default_pii`, or if the adapter does not know it.
    peer: Option<IpAddr>,
    sends_pii: bool,
}

impl Described {
    /// Keeps what the description needs. Headers with secrets, and the address of the peer, are described only with the
    /// SDK's `send_default_pii`.
    pub(crate) fn new(request: &dyn IncomingRequest, hub: &Hub) -> Self {
        let sends_pii = hub.client().is_some_and(|client| client.options().send_default_pii);
        let mut headers = String::with_capacity(512);
        request.each_header(&mut |name, value| {
            // The baggage of other vendors is not ours to send.
            let is_of_trace = Field::ALL.iter().any(|field| field.name() == name);
            if let Some(value) = std::str::from_utf8(value).ok().filter(|_| !is_of_trace) {
                [name, ":", cut(value), "\n"].iter().for_each(|part| headers.push_str(part));
            }
        });
        let peer = sends_pii.then(|| request.peer()).flatten();
        Self {
            method: known_method(request.method()),
            url: request.url(),
            headers,
            peer,
            sends_pii,
        }
    }

    /// Describes the request without the parts of its URL that may be secrets. Host and path are client input.
    pub(crate) fn request(&self) -> Request {
        let headers = self.headers.lines().filter_map(|line| line.split_once(':'));
        let headers = headers.filter(|(name, _)| self.sends_pii || !is_sensitive_header(name));
        let mut env = protocol::Map::new();
        if let Some(peer) = self.peer {
            env.insert("REMOTE_ADDR".to_owned(), peer.to_string());
        }
        Request {
            url: cut(&redact_url(&self.url)).parse().ok(),
            method: Some(self.method.to_owned()),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            env,
            ..Request::default()
        }
    }
}
