//! Sentry trace propagation for [actix-web](https://docs.rs/actix-web): requests continue the trace that
//! they belong to.
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
//! the handler awaits, so that a client with `tracehop-reqwest` finds it by itself. What the handler spawns
//! must be told. The extractor [`Trace`] is the same trace as a value, for a template or a job.
//!
//! ```
//! use actix_web::{HttpResponse, Responder, rt, web};
//! use tracehop_actix::Trace;
//! use tracehop_actix::tracehop::InTrace as _;
//!
//! async fn order(trace: Trace) -> actix_web::Result<impl Responder> {
//!     // A future of its own: told by its extension.
//!     rt::spawn(async { /* send a confirmation */ }.in_current_trace());
//!     // A closure on another thread: called in the trace.
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
//!     .allowed_headers(tracehop_actix::TRACE_HEADERS)
//! # }
//! ```
//!
//! Wrap the App in `Cors` last, so that it comes first and answers preflights itself.
//!
//! # Logs
//!
//! With the feature `tracing` the middleware opens a span of the crate [tracing](https://docs.rs/tracing) for each
//! request, so that a log is searched for a trace as Sentry shows it. The span is called `http.server`, has the
//! level INFO and the target `tracehop_actix`, and the fields
//!
//! | field | what |
//! |---|---|
//! | `trace_id` | the trace, 32 hexadecimal digits |
//! | `span_id` | the service's own span in it, 16 hexadecimal digits |
//! | `method` | the request's method, `_OTHER` if it is [none that is known](tracehop::known_method) |
//! | `route` | the pattern of the route that was matched, such as `/users/{id}`, and never the path; none if none was |
//! | `status` | the response's status, once it is there; none if the request was dropped before |
//!
//! The handler is in it with all that it awaits, middleware that is further in, and a body that is streamed, until
//! the body is dropped. What the handler spawns must be told, as with every span, by `.in_current_span()` of
//! [`tracing::Instrument`](https://docs.rs/tracing/latest/tracing/trait.Instrument.html). The span is below the one
//! that is current where the middleware is called.
//!
//! A filter that keeps out INFO keeps out the span as well, and the ids with it: let `tracehop_actix=info` through.
#![cfg_attr(feature = "sentry", doc = include_str!("sentry.md"))]
//!
//! # Features
//!
//! None is on by default. Those of [`tracehop`] that are not here, such as `serde`, are turned on by
//! depending on it as well.
//!
//! | feature | what it adds |
//! |---|---|
//! | `regex` | `Target::regex` |
//! | `sentry` | a [transaction](#beside-sentrys-sdk) of Sentry's SDK for each request |
//! | `tracing` | a [span](#logs) for each request in the logs, a debug event that says why a trace was not continued, and a warning for a cached page with a trace |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod around;
mod body;
mod extractor;
mod middleware;
mod request;
#[cfg_attr(not(feature = "sentry"), path = "without_sentry.rs")]
mod sentry;
mod span;

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
