//! Sentry trace propagation for [reqwest](https://docs.rs/reqwest), through
//! [reqwest-middleware](https://docs.rs/reqwest-middleware): outgoing requests carry the current trace.
//!
//! ```no_run
//! use reqwest::redirect::Policy;
//! use reqwest_middleware::ClientBuilder;
//! use tracehop_reqwest::tracehop::{InTrace as _, Propagator, Target};
//! use tracehop_reqwest::{RequestBuilderExt as _, TracePropagation, redirect_policy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "https://api.example.com/stock";
//! let propagator = Propagator::builder()
//!     .trace_propagation_targets([Target::host("api.example.com")])
//!     .build()?;
//! // Headers go only to the targets, also where a redirect leads to another URL.
//! let policy = redirect_policy(Policy::default());
//! let client = ClientBuilder::new(reqwest::Client::builder().redirect(policy).build()?)
//!     .with(TracePropagation::new(propagator.clone()))
//!     .build();
//!
//! // In a handler, the middleware of tracehop-actix has done this.
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
//! # Redirects
//!
//! Reqwest follows redirects below all middleware, and takes the headers of the first request along to any
//! origin. With our [`redirect_policy`] a client returns a redirect that would take trace headers off their
//! targets, and follows all others. Without targets every URL is a target.
//!
//! # Beside other middleware
//!
//! This middleware decides by the URL that it sees: add it behind middleware that changes URLs. With
//! [reqwest-retry](https://docs.rs/reqwest-retry) both orders work, and every attempt carries the
//! headers once.
//!
//! # Logs and Sentry's SDK
//!
//! With the feature `tracing` each request has a [span in the logs](tracehop#log-spans). With the recorder of
//! `tracehop-sentry` on the propagator, each request in the trace of a running transaction is a span of Sentry's SDK.
//!
//! Middleware that was added later works inside of the span. Behind
//! [reqwest-retry](https://docs.rs/reqwest-retry) each attempt has a span of its own, in front of it all attempts
//! have one.
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

mod middleware;
mod redirect;
mod request;

pub use middleware::TracePropagation;
#[cfg(not(target_arch = "wasm32"))]
pub use redirect::redirect_policy;
pub use request::{RequestBuilderExt, inject};
#[doc(no_inline)]
pub use tracehop;

/// Compiles the examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
