//! The kit for adapters: what adapters do for every framework alike.
//!
//! An adapter maps the requests, responses and bodies of its framework onto the kit:
//!
//! * A **server hop** continues the trace of a request, names the transaction by the route, runs the handler's future
//!   and the body in scope, decides on `Server-Timing`, and ends the recordings. See [`ServerHop`] and [`InHop`].
//! * A **client hop** finds the trace of an outgoing request, injects it if the URL is a target, guards redirects,
//!   and ends the recordings. See [`ClientHop`].
//!
//! Applications need none of it. This is the whole server hop of a small framework:
//!
//! ```
//! use std::borrow::Cow;
//!
//! use tracehop::hop::{ResponseHeaders, ServerHop};
//! use tracehop::recorder::IncomingRequest;
//! use tracehop::{PropagationContext, Propagator};
//!
//! /// The head of a request or a response, in this framework.
//! #[derive(Default)]
//! struct Head {
//!     headers: Vec<(&'static str, String)>,
//! }
//!
//! impl IncomingRequest for Head {
//!     fn method(&self) -> &str {
//!         "GET"
//!     }
//!
//!     fn route(&self) -> Option<Cow<'_, str>> {
//!         Some(Cow::Borrowed("/users/{id}"))
//!     }
//!
//!     fn url(&self) -> String {
//!         "https://shop.example.com/users/7".to_owned()
//!     }
//! }
//!
//! impl ResponseHeaders for Head {
//!     fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
//!         let lines = self.headers.iter().filter(move |(key, _)| *key == name);
//!         lines.map(|(_, value)| value.as_bytes())
//!     }
//! }
//!
//! fn serve(propagator: &Propagator, request: &Head, handler: fn() -> Head) -> Head {
//!     // Middleware that may be there twice looks for a context that it kept with the request.
//!     let known = None;
//!     let mut hop = ServerHop::start(propagator, known, &request.headers, request);
//!     let mut response = hop.run(handler);
//!     if let Some(value) = hop.respond(200, &response, Some(request), true) {
//!         response.headers.push(("server-timing", value));
//!     }
//!     // The hop of a streamed body ends with the body: see `InHop`.
//!     hop.finish();
//!     response
//! }
//!
//! let propagator = Propagator::builder().build()?;
//! let response = serve(&propagator, &Head::default(), || {
//!     let trace = PropagationContext::current().map(|trace| trace.trace_id().to_string());
//!     let html = ("content-type", "text/html".to_owned());
//!     Head { headers: vec![html, ("x-trace", trace.unwrap_or_default())] }
//! });
//! let (_, trace_id) = &response.headers[1];
//! let (_, server_timing) = &response.headers[2];
//! assert!(server_timing.contains(trace_id));
//! # Ok::<(), tracehop::BuildError>(())
//! ```

mod cache;
mod client;
#[cfg(feature = "http")]
mod http;
mod in_hop;
mod recordings;
mod response_headers;
mod server;
mod shared_cache;

pub use cache::may_be_reused;
pub use client::{CarriedTrace, ClientHop, TraceChoice};
#[cfg(feature = "http")]
pub use http::HttpRequest;
pub use in_hop::InHop;
pub use response_headers::ResponseHeaders;
pub use server::{ServerHop, continue_request, name_by_route, trace_data_for_page};
pub use shared_cache::{SHARED_CACHE_HEADERS, is_storable_by_shared_caches};

pub use crate::recorder::known_method;
pub use crate::targets::{redact_url, server_address};
