//! Sentry trace propagation for [actix-web](https://docs.rs/actix-web): incoming requests continue their trace.
//!
//! ```
//! use actix_web::{App, HttpServer, Responder, get};
//! use tracehop_actix::tracehop::Propagator;
//! use tracehop_actix::{Trace, TracePropagation};
//!
//! #[get("/users/{id}")]
//! async fn user(trace: Trace) -> impl Responder {
//!     format!("trace {}, this service's span {}", trace.trace_id(), trace.span_id())
//! }
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let propagator = Propagator::from_env()?;
//! let server = HttpServer::new(move || {
//!     App::new().wrap(TracePropagation::new(propagator.clone())).service(user)
//! })
//! .bind("127.0.0.1:0")?
//! .run();
//! # let handle = server.handle();
//! # actix_web::rt::spawn(server);
//! # handle.stop(true).await;
//! # Ok(())
//! # }
//! ```
//!
//! The middleware makes the trace [current](PropagationContext::current) for the handler and for all that
//! the handler awaits, so that a client with `tracehop-reqwest` finds it. Spawned tasks and closures on other threads
//! need `in_current_trace` and `in_scope`. The extractor [`Trace`] is the same trace as a value, for a template or a
//! job.
//!
//! ```
//! use actix_web::{HttpResponse, Responder, rt, web};
//! use tracehop_actix::Trace;
//! use tracehop_actix::tracehop::InTrace as _;
//!
//! async fn order(trace: Trace) -> actix_web::Result<impl Responder> {
//!     // A task of its own takes the trace along.
//!     rt::spawn(async { /* send a confirmation */ }.in_current_trace());
//!     // A closure on another thread is called in the trace.
//!     let trace = trace.into_inner();
//!     web::block(move || trace.in_scope(|| { /* write to the database */ })).await?;
//!     Ok(HttpResponse::Created())
//! }
//! ```
//!
//! # Browsers on other origins
//!
//! A page may only send the trace to a service of another origin if that service allows the headers:
//!
//! ```
//! # fn cors() -> actix_cors::Cors {
//! actix_cors::Cors::default()
//!     .allowed_origin("https://shop.example.com")
//!     .allowed_methods(["GET"])
//!     .allowed_headers(tracehop_actix::TRACE_HEADERS.iter().copied())
//! # }
//! ```
//!
//! Wrap the App in `Cors` last: the middleware that is wrapped last gets requests first, and answers preflights itself.
//!
//! # Logs and Sentry's SDK
//!
//! With the feature `tracing` each request has a [span in the logs](tracehop#log-spans). With the recorder of
//! `tracehop-sentry` on the propagator, each request has a transaction of Sentry's SDK, and its errors are in the trace.
//!
//! # In one file with tracehop-reqwest
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
//! | `tracing` | a [span](tracehop#log-spans) for each request in the logs, a debug event with the reason why a trace was not continued, and a warning for a cached page with a trace |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod body;
mod extractor;
mod middleware;
mod request;

pub use body::TracedBody;
pub use extractor::{NotConfigured, Trace};
pub use middleware::{TracePropagation, TracePropagationMiddleware, TraceResponse};
pub use request::TRACE_HEADERS;
#[doc(no_inline)]
pub use tracehop;
#[doc(no_inline)]
pub use tracehop::PropagationContext;

/// Compiles the examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
