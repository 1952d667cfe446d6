//! Sentry's SDK for Rust, the crate `sentry`, in the traces of [`tracehop`]: transactions, spans, errors and envelopes
//! belong to the trace that is propagated.
//!
//! The SDK continues a trace itself, but keeps no dynamic sampling context, and knows nothing of a
//! [`PropagationContext`](tracehop::PropagationContext). A [`SentryRecorder`] joins the two:
//!
//! * Each incoming request has a transaction with exactly the ids and the decision of its context, and a hub of its
//!   own. Errors that its handler captures belong to the trace.
//! * Each outgoing request is a span, whose id the next service gets as its parent.
//! * Each envelope has the frozen dynamic sampling context of its trace.
//! * A context carries the hub: a job in the trace of a request, by
//!   [`in_current_trace`](tracehop::InTrace::in_current_trace) or [`in_scope`](tracehop::PropagationContext::in_scope),
//!   captures its errors there as well.
//!
//! The version of this crate follows that of `sentry`: 0.49 works with `sentry` 0.49.
//!
//! # Set-up
//!
//! ```
//! use tracehop::Propagator;
//! use tracehop_sentry::SentryRecorder;
//!
//! let recorder = SentryRecorder::new();
//! let options = sentry::ClientOptions::new()
//!     .dsn("https://key@o123.ingest.sentry.io/42")
//!     .traces_sample_rate(0.25)
//!     .transport(recorder.transport(sentry::transports::DefaultTransportFactory));
//! let _guard = sentry::init(options);
//!
//! let propagator = Propagator::builder()
//!     .dsn("https://key@o123.ingest.sentry.io/42")
//!     .traces_sample_rate(0.25)
//!     .recorder(recorder)
//!     .build()?;
//! # Ok::<(), tracehop::BuildError>(())
//! ```
//!
//! The adapters record with it from here on. Two options together decide whether transactions are sent:
//!
//! * Without a rate or a sampler of the *propagator*, decisions are deferred: no transaction is sent, and errors carry
//!   the trace all the same.
//! * Without a rate of the *SDK*, it sends no transactions at all. Give it the same one. The rate is compared with
//!   nothing, because the propagator has decided. A `traces_sampler` of the SDK decides once more, without the
//!   trace's random number, and its decision is handed on. Set the propagator's sampler instead.
//!
//! # Requests
//!
//! The transaction of an incoming request ends with the response, or with the body if that is a stream of unknown
//! length; as `cancelled` if the client leaves before. It has the method, the route, and the URL without
//! credentials, query and fragment, and no headers. An unknown method is `_OTHER`, and URLs are cut after 2048 bytes.
//!
//! The span of an outgoing request, an `http.client`, has the method, the URL without credentials, query and
//! fragment, and the status. It ends with the head of the response, with the error, or when the caller gives up. A
//! timeout is `deadline_exceeded`, other errors are `internal_error`. A request to no target has a span and no headers.
//! Where nothing is recorded there is no span, and the headers have the span id of the context.
//!
//! # Beside sentry-actix
//!
//! [sentry-actix](https://docs.rs/sentry-actix), the SDK's own middleware, captures the errors that handlers return.
//! Both orders of the two middlewares work, in one trace. This is who starts the transaction:
//!
//! | | `Sentry::new()` | `Sentry::with_transaction()` |
//! |---|---|---|
//! | wrapped last, so that it is called first | tracehop | sentry-actix; the context moves to its transaction and decision |
//! | wrapped before, so that it is called second | tracehop | both; that of sentry-actix is a child of ours |
//!
//! Wrap it last. In the other order, its hub does not know the transaction, and the transport has to put errors
//! into the trace.
//!
//! Any other middleware that binds a hub around ours should bind a new one for each request, as sentry-actix does: the
//! transaction is in the scope of that hub, so that errors that the middleware captures later are in the trace. Requests
//! that share a hub have a transaction each all the same.
//!
//! Middleware further in finds this service's position in the `sentry-trace` header of the request, unless sentry-actix
//! is called first. A `baggage` that was not continued is left without its Sentry members. Actix-web panics where a
//! middleware changes headers of a request that a middleware further out has cloned.
//!
//! # By hand
//!
//! A job that is not a request:
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Arc;
//!
//! use sentry::Hub;
//! use sentry::protocol::SpanStatus;
//! use tracehop::{InTrace as _, Propagator};
//! use tracehop_sentry::SentryRecorder;
//!
//! async fn work(
//!     propagator: &Propagator,
//!     recorder: &SentryRecorder,
//!     message: &HashMap<String, String>,
//! ) {
//!     let context = propagator.continue_trace(message);
//!     context.set_transaction("send confirmation");
//!     let hub = Arc::new(Hub::new_from_top(Hub::current()));
//!     let transaction =
//!         recorder.start_transaction(&context, hub, "send confirmation", "queue.process");
//!     send().in_trace(transaction.context().clone()).await;
//!     transaction.finish(SpanStatus::Ok);
//! }
//!
//! async fn send() { /* errors that are captured here belong to the trace */ }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! #     let propagator = Propagator::builder().build().unwrap();
//! #     work(&propagator, &SentryRecorder::new(), &HashMap::new()).await;
//! # });
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod captured;
mod child_span;
mod described;
mod envelope;
mod ids;
mod incoming;
mod joined;
mod outer;
mod outgoing;
mod quiet;
mod recorder;
mod registry;
mod scope;
mod setup;
mod status;
mod transaction;
mod transport;
mod url_limit;

pub use child_span::ChildSpan;
pub use recorder::SentryRecorder;
pub use setup::propagator_builder;
pub use status::span_status;
#[doc(no_inline)]
pub use tracehop;
pub use transaction::Transaction;
pub use transport::{Transport, TransportFactory};

/// Compiles the examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
