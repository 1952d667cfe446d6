//! Sentry trace propagation for [reqwest](https://docs.rs/reqwest), through
//! [reqwest-middleware](https://docs.rs/reqwest-middleware): outgoing requests carry the current trace.
//!
//! ```no_run
//! use tracehop_reqwest::RequestBuilderExt as _;
//! use tracehop_reqwest::tracehop::{InTrace as _, Propagator, Target};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "https://api.example.com/stock";
//! let propagator = Propagator::builder()
//!     .trace_propagation_targets([Target::host("api.example.com")])
//!     .build()?;
//! // Headers go only to the targets, also where a redirect leads to another URL.
//! let client = tracehop_reqwest::client(reqwest::Client::builder(), propagator.clone())?;
//!
//! // In a handler, the middleware of tracehop-actix has made the trace of the request current.
//! let trace = propagator.start_new_trace();
//! async {
//!     client.get(url).send().await?; // the current trace
//!     client.get(url).with_trace(&trace).send().await?; // a given one
//!     client.get(url).without_trace().send().await?; // none
//!     Ok::<_, reqwest_middleware::Error>(())
//! }
//! .in_trace(trace.clone())
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Headers that were set by hand are respected: a request with a `sentry-trace` keeps it and its `baggage`, and
//! `baggage` of other vendors stays in front. See
//! [`PropagationContext::inject`](tracehop::PropagationContext::inject).
//!
//! The middleware cannot see the `default_headers` of reqwest: reqwest adds them below all middleware, and only where a
//! request has no such header. To send baggage of the application with each request, set it in an initialiser:
//!
//! ```
//! use reqwest_middleware::{ClientBuilder, RequestBuilder, RequestInitialiser};
//!
//! struct Tenant;
//!
//! impl RequestInitialiser for Tenant {
//!     fn init(&self, request: RequestBuilder) -> RequestBuilder {
//!         request.header("baggage", "tenant=7")
//!     }
//! }
//!
//! # let propagator = tracehop_reqwest::tracehop::Propagator::builder().build()?;
//! let client = tracehop_reqwest::client(reqwest::Client::builder(), propagator)?;
//! let client = ClientBuilder::from_client(client).with_init(Tenant).build();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Redirects
//!
//! Reqwest follows redirects below all middleware, and takes the headers of the first request along to any
//! origin. A [`client`] with our [`redirect_policy`] returns a redirect that would take trace headers off their
//! targets, and follows all others. Without targets every URL is a target.
//!
//! # Beside other middleware
//!
//! This middleware decides by the URL that it sees: add it after middleware that changes URLs. With
//! [reqwest-retry](https://docs.rs/reqwest-retry) both orders work, and every attempt carries the
//! headers once.
//!
//! # Logs and Sentry's SDK
//!
//! With the feature `tracing` each request has a [span in the logs](tracehop#log-spans). With the recorder of
//! `tracehop-sentry` on the propagator, each request in the trace of a running transaction is a span of Sentry's SDK.
//!
//! Middleware that is added later runs inside of the span. If this middleware is added after
//! [reqwest-retry](https://docs.rs/reqwest-retry), each attempt has a span of its own. If it is added before, all
//! attempts share one span.
//!
//! # In one file with tracehop-actix
//!
//! Both crates have a `TracePropagation`. Import neither, and name them by their crates:
//! `tracehop_actix::TracePropagation::new(propagator.clone())` wraps the App,
//! `tracehop_reqwest::TracePropagation::new(propagator)` goes into the client.
//!
//! # Features
//!
//! No feature is on by default. To turn on other features of [`tracehop`], such as `serde`, depend on it as well.
//!
//! | feature | what it adds |
//! |---|---|
//! | `regex` | `Target::regex` |
//! | `tracing` | a [span](tracehop#log-spans) for each request in the logs; a warning if a redirect took headers off the targets; a debug event with the reason why a trace was not continued |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

#[cfg(not(target_arch = "wasm32"))]
mod client;
mod middleware;
mod redirect;
mod request;

#[cfg(not(target_arch = "wasm32"))]
pub use client::client;
pub use middleware::TracePropagation;
#[cfg(not(target_arch = "wasm32"))]
pub use redirect::redirect_policy;
pub use request::{RequestBuilderExt, inject};
#[doc(no_inline)]
pub use tracehop;
#[doc(no_inline)]
pub use tracehop::hop::TraceChoice;

/// Compiles the examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
