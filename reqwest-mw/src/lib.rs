//! Sentry trace propagation for [reqwest](https://docs.rs/reqwest), through
//! [reqwest-middleware](https://docs.rs/reqwest-middleware): the trace of the running request goes with
//! every request that it makes.
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
//! // Headers go to the targets alone, also where a redirect leads somewhere else.
//! let policy = redirect_policy(Policy::default());
//! let client = ClientBuilder::new(reqwest::Client::builder().redirect(policy).build()?)
//!     .with(TracePropagation::new(propagator.clone()))
//!     .build();
//!
//! // In a handler, the middleware of tracehop-actix has done this.
//! let trace = propagator.start_new_trace();
//! async {
//!     client.get(url).send().await?; // the running request's trace, found by itself
//!     client.get(url).with_trace(&trace).send().await?; // or told
//!     client.get(url).without_trace().send().await?; // or none
//!     Ok::<_, reqwest_middleware::Error>(())
//! }
//! .in_trace(trace.clone())
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! What was set by hand is respected: a request that has a `sentry-trace` keeps it, and its `baggage`; other
//! vendors' baggage on a request stays, in front. See
//! [`PropagationContext::inject`](tracehop::PropagationContext::inject).
//!
//! # Redirects
//!
//! Reqwest follows redirects below all middleware, and takes the headers of the first request along, to whatever
//! origin it is led. A client whose [`redirect_policy`] is ours hands back a redirect that would take trace
//! headers away from their targets, and follows all others. Without targets every URL is one.
//!
//! # Beside other middleware
//!
//! The URL that counts is the one that this middleware sees: add it behind those that change URLs. With
//! [reqwest-retry](https://docs.rs/reqwest-retry) either order will do, and every attempt carries the
//! headers once.
//!
//! # Beside Sentry's SDK
//!
//! With the feature `sentry` a request that is made in the trace of a running transaction, such as `tracehop-actix`
//! starts with its feature of the same name, is an `http.client` span of that, with its method, its URL without
//! credentials, query and fragment, and its status. It ends with the head of the response, or the error, or when the
//! caller gives up; a timeout is `deadline_exceeded`, any other error `internal_error`. Its span id is the one in the
//! `sentry-trace` that goes out. A request that is no target has a span and no headers, one that was told to be
//! [without a trace](RequestBuilderExt::without_trace) has neither.
//!
//! Where nothing is recorded there is no span, and the headers have the span id of the trace's context. Retries are each
//! a span of their own if this middleware is added behind the one that retries, and one span if it is added before.
//!
//! # Logs
//!
//! With the feature `tracing` the middleware opens a span of the crate [tracing](https://docs.rs/tracing) for each
//! call. It is called `http.client`, has the level INFO and the target `tracehop_reqwest`, and the fields
//!
//! | field | what |
//! |---|---|
//! | `trace_id` | the trace that the call belongs to, also if its URL is no target; none if it was told to have none |
//! | `span_id` | the span in it that makes the call: what `sentry-trace` says, if that is sent |
//! | `method` | the request's method, `_OTHER` if it is [none that is known](tracehop::known_method) |
//! | `url` | scheme, host, port and path: without user, password, query and fragment |
//! | `status` | the response's status |
//! | `error` | if there is no response, why: `timeout`, `connect`, `redirect`, `body`, `decode`, `builder`, `status`, `request`, or `middleware` for what other middleware says |
//!
//! It ends when the head of the response is there, and has neither of the last two if the call was dropped before.
//! Middleware that was added later is in it: behind [reqwest-retry](https://docs.rs/reqwest-retry) each attempt has a
//! span of its own, and before it all attempts have one.
//!
//! # Features
//!
//! None is on by default. Those of [`tracehop`] that are not here, such as `serde`, are turned on by
//! depending on it as well.
//!
//! | feature | what it adds |
//! |---|---|
//! | `regex` | `Target::regex` |
//! | `sentry` | a [span](#beside-sentrys-sdk) of Sentry's SDK for each request |
//! | `tracing` | a [span](#logs) for each call in the logs; a warning if a redirect took headers away from the targets; a debug event that says why a trace was not continued |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod middleware;
mod redirect;
mod request;
#[cfg_attr(not(feature = "sentry"), path = "without_sentry.rs")]
mod sentry;
mod span;

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
