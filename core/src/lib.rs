//! Sentry trace propagation: reads the headers `sentry-trace` and `baggage`, keeps the trace, and hands it on.
//!
//! A request passes through a browser, a page server and other services. Sentry shows it as one trace if each service
//! reads both headers, keeps them while it works, and hands them on: to the services that it calls, and as meta tags
//! to the page that it renders.
//!
//! ```text
//! incoming headers ─► continue_trace ─► PropagationContext ─► inject ─► outgoing headers
//!                                               │
//!                                               ├─► meta_tags, hx_headers ─► pages
//!                                               └─► trace_data ─► Server-Timing, environment,
//!                                                                 queue metadata
//! ```
//!
//! # Quick start
//!
//! ```
//! use std::collections::HashMap;
//! use tracehop::{Propagator, Target};
//!
//! // Once, at start-up. A bad option is an error here, and nowhere later.
//! let propagator = Propagator::builder()
//!     .dsn("https://key@o123.ingest.sentry.io/42")
//!     .release("shop@1.4.0")
//!     .traces_sample_rate(0.25)
//!     .trace_propagation_targets([Target::host("api.example.com")])
//!     .build()?;
//!
//! // For each incoming request.
//! let incoming = HashMap::from([
//!     ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1"),
//!     ("baggage", "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.123456"),
//! ]);
//! let context = propagator.continue_trace(&incoming);
//!
//! // For each outgoing request.
//! let mut outgoing = HashMap::<String, String>::new();
//! context.inject_to("https://api.example.com/stock", &mut outgoing);
//! assert_eq!(
//!     outgoing["sentry-trace"],
//!     format!("771a43a4192642f0b136d5159a501700-{}-1", context.span_id()),
//! );
//! assert_eq!(outgoing["baggage"], incoming["baggage"]);
//! # Ok::<(), tracehop::BuildError>(())
//! ```
//!
//! Frameworks have adapters: `tracehop-actix` for incoming requests, `tracehop-reqwest` for outgoing
//! requests, `tracehop-askama` for pages. `tracehop-sentry` records transactions and spans with Sentry's SDK, the crate
//! `sentry`. `tracehop-actix` and `tracehop-reqwest` each have a type `TracePropagation`. A file that uses both names
//! them with their crates: `tracehop_actix::TracePropagation::new(propagator.clone())`.
//!
//! # Features
//!
//! No feature is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `actix-http` | actix-web's own header map as a carrier |
//! | `http` | `http::HeaderMap` (http 1) as a carrier, `http::Uri` as the URL of a request |
//! | `regex` | `Target::regex` |
//! | `serde` | ids, header values, rates and the dynamic sampling context as serde types |
//! | `tower` | layers for axum, tonic and hyper, and for clients whose requests are `http::Request`s |
//! | `tracing` | a [span](#log-spans) in the logs for each request; debug events with the reason why a trace was not continued or its dynamic sampling context not used; warnings for a cached page with a trace, a redirect off the targets and a URL without a host; errors if `traces_sampler` or `trust_incoming` panics |
//! | `url` | `url::Url` as the URL of a request |
//!
//! # Log spans
//!
//! With the feature `tracing` the adapters open a span of the crate [tracing](https://docs.rs/tracing) for each request,
//! so that the logs can be searched for a trace. The spans have the level INFO and the target `tracehop`:
//!
//! | field | `http.server` | `http.client` |
//! |---|---|---|
//! | `trace_id` | the trace, 32 hex digits | the same, also if the URL is no target; none for a request without a trace |
//! | `span_id` | this service's span, 16 hex digits | the span that makes the call, as in the `sentry-trace` that is sent |
//! | `method` | the method, `_OTHER` if it is [not known](hop::known_method) | the same |
//! | `route` | the pattern of the route, such as `/users/{id}`; none if no route matches | |
//! | `url` | | the URL [without credentials, query and fragment](hop::redact_url) |
//! | `status` | the status of the response; none if the request was cancelled | the same |
//! | `error` | | the kind of the failure, such as `timeout` or `connect` |
//!
//! A handler is in the span with all that it awaits, and so is a streamed body. Tasks that the handler spawns need
//! `.in_current_span()` of [`tracing::Instrument`](https://docs.rs/tracing/latest/tracing/trait.Instrument.html). A
//! filter that drops INFO drops the span and its ids as well: let `tracehop=info` through.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod carrier;
mod context;
mod dsc;
pub mod hop;
pub mod html;
mod propagator;
pub mod recorder;
mod sampling;
mod targets;
#[cfg(feature = "tower")]
pub mod tower;
pub mod wire;

pub use carrier::{Environment, Extractor, Field, Injector};
pub use context::{
    DscNotUsed, InTrace, NotContinued, PropagationContext, SpanPosition, TraceData, Traced,
};
pub use dsc::DynamicSamplingContext;
pub use propagator::{
    BuildError, BuildErrorKind, Dsn, DsnError, IncomingTrace, Network, NetworkError, Propagator,
    PropagatorBuilder, Trust,
};
pub use sampling::{SampleError, SampleRand, SampleRate, SamplingContext};
pub use targets::{RequestUrl, Target, TargetError};
pub use wire::{IdError, SpanId, TraceId};

/// Compiles the examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
