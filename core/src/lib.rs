//! Sentry trace propagation: what a service needs to take part in a trace, and nothing else.
//!
//! A request passes through a browser, a page server, other services. To see it as one trace, every hop
//! reads two headers, `sentry-trace` and `baggage`, holds on to them while it works, and hands them on: to
//! the services that it calls, and, as meta tags, to the page that it renders.
//!
//! ```text
//! request headers ──► continue_trace ──► PropagationContext ──► inject ──► outgoing headers
//!                                               │
//!                                               └──► trace_data ──► <meta> tags, Server-Timing,
//!                                                                   environment, queue metadata
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
//! // For every request that comes in.
//! let incoming = HashMap::from([
//!     ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1"),
//!     ("baggage", "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.123456"),
//! ]);
//! let context = propagator.continue_trace(&incoming);
//!
//! // For every request that goes out.
//! let mut outgoing = HashMap::<String, String>::new();
//! context.inject("https://api.example.com/stock", &mut outgoing);
//! assert_eq!(
//!     outgoing["sentry-trace"],
//!     format!("771a43a4192642f0b136d5159a501700-{}-1", context.span_id()),
//! );
//! assert_eq!(outgoing["baggage"], incoming["baggage"]);
//! # Ok::<(), tracehop::BuildError>(())
//! ```
//!
//! Frameworks are tied in by adapters: `tracehop-actix` for requests in, `tracehop-reqwest` for requests
//! out, `tracehop-askama` for pages.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `http` | `http::HeaderMap` (http 1) as a carrier |
//! | `regex` | `Target::regex` |
//! | `sentry` | transactions, spans and envelopes of Sentry's SDK, the crate `sentry`, that belong to the trace |
//! | `serde` | ids, `sentry-trace` values and the dynamic sampling context as serde types |
//! | `tokio` | the current context: a task local around futures and closures |
//! | `tracing` | a debug event that says why a trace was not continued, and a warning for a cached page with a trace |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod arrived;
mod authority;
mod builder;
mod carrier;
mod context;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod current;
mod decision;
mod dsc;
mod dsn;
mod error;
mod hex;
mod id;
mod incoming;
mod items;
mod method;
mod options;
mod propagator;
mod sampling;
#[cfg(feature = "sentry")]
#[cfg_attr(docsrs, doc(cfg(feature = "sentry")))]
pub mod sentry;
mod shared_cache;
#[cfg_attr(not(feature = "http"), path = "without_http.rs")]
mod shared_values;
mod targets;
mod text;
mod trace;
mod trace_data;
mod url;
pub mod wire;
mod words;

pub use builder::PropagatorBuilder;
pub use carrier::{Environment, Extractor, Field, Injector};
pub use context::PropagationContext;
#[cfg(feature = "tokio")]
#[doc(no_inline)]
pub use current::{InTrace, Traced};
pub use decision::SamplingContext;
pub use dsc::DynamicSamplingContext;
pub use dsn::{Dsn, DsnError};
pub use error::{BuildError, BuildErrorKind};
pub use id::{IdError, SpanId, TraceId};
pub use incoming::NotContinued;
pub use method::known_method;
pub use propagator::Propagator;
pub use sampling::{SampleError, SampleRand, SampleRate};
pub use shared_cache::{SHARED_CACHE_HEADERS, is_storable_by_shared_caches};
pub use targets::{Target, TargetError, TracePropagationTargets};
pub use trace_data::TraceData;
pub use url::without_secrets;

/// Compiles the examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
