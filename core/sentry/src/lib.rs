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
//! let mut options = sentry::ClientOptions::new()
//!     .dsn("https://key@o123.ingest.sentry.io/42")
//!     .traces_sample_rate(0.25);
//! let propagator = tracehop_sentry::propagator_builder(&mut options).build()?;
//! let _guard = sentry::init(options);
//! # Ok::<(), tracehop::BuildError>(())
//! ```
//!
//! The adapters record with this propagator. It has the DSN, the organisation, the release, the environment and the
//! sample rate or sampler of the SDK's options, so that headers and envelopes agree. Another value on the builder is an
//! [error](tracehop::BuildErrorKind::Sdk). With neither a rate nor a sampler, decisions are deferred: no transaction
//! is sent, but errors carry the trace.
//!
//! The parts can also be put together by hand, from [`SentryRecorder::new`], [`SentryRecorder::transport`] and
//! [`PropagatorBuilder::recorder`](tracehop::PropagatorBuilder::recorder). Then the options are yours to keep equal.
//!
//! # Requests
//!
//! The transaction of an incoming request ends with the body of the response, as `cancelled` if the client leaves
//! before. A response without a body ends it at the head, and so does a 101.
//!
//! The transaction has the method, the route, the URL without credentials, query and fragment, and the headers without
//! secrets. Errors in the request have the same data. An unknown method is `_OTHER`. URLs and header values are cut
//! after 2048 bytes. The SDK's `send_default_pii` adds the address of the peer and the headers with secrets. The
//! headers of the trace are always left out.
//!
//! The span of an outgoing request, an `http.client`, has the method, the URL without credentials, query and
//! fragment, and the status. It ends with the head of the response, with the error, or when the caller gives up. A
//! timeout is `deadline_exceeded`, other errors are `internal_error`. A request that is off the targets has a span, but
//! no headers. Where nothing is recorded there is no span, and the headers have the span id of the context. The same
//! holds after the first 1000 spans of a transaction, because the SDK drops all others.
//!
//! The transaction of a gRPC call has the status of gRPC. The span of an outgoing call has it only if the head of the
//! response has it, as when a call fails at once. A status in the trailers comes after the end of the span.
//!
//! An error that a handler or a middleware returns is captured if the status is at least 500. See
//! [`SentryRecorder::capture_server_errors`].
//!
//! Each request has a hub of its own, made from what `sentry::init` set up. What jobs and other middleware set on the hub
//! of the thread stays there. The hub of the thread, or one around the request, may have a client of its own, such as a
//! tenant's. Then the hub of the request is made from that hub instead.
//!
//! With sessions by request in the SDK's options, each request is a session. It ends with the hub, so that errors of the
//! request's jobs count.
//!
//! # Instead of sentry-actix
//!
//! All of the above is what [sentry-actix](https://docs.rs/sentry-actix) does, but for two parts: bodies of requests are
//! not read, and no response has an `X-Sentry-Event` header. To have these, keep sentry-actix and wrap it last.
//!
//! # Beside other middleware
//!
//! An incoming trace is always continued. Tests over real sockets cover these orders, each with everything else in this
//! list:
//!
//! | what else there is | what is sent |
//! |---|---|
//! | nothing | one transaction |
//! | the SDK's `tracing` layer | the same, with the spans of `#[instrument]`; the [log spans](tracehop#log-spans) of this library are not recorded twice |
//! | a `tracing` span around the request, such as that of tracing-actix-web, and the layer | the layer starts a transaction before this library sees the request. The layer's transaction is sent in the incoming trace, as the parent or a sibling of the request's transaction. It is dropped if the request is not sampled. Without an incoming trace it is the transaction of the request |
//! | [sentry-actix](https://docs.rs/sentry-actix) wrapped last, so that it is called first | one transaction: sentry-actix's if it starts transactions, in the incoming trace; else ours. A returned error is captured once |
//! | sentry-actix wrapped before, so that it is called second | with its transactions, these are children of ours |
//! | a middleware that binds a hub for the request | one transaction, and what that middleware captures later is in the trace |
//!
//! Limits of the SDK:
//!
//! * The transactions of sentry-actix and sentry-tower end with the head of the response. Calls in the body of a stream
//!   are then not recorded, and a span that lasts as long as the body, such as tracing-actix-web's, is lost. All spans of
//!   a sentry-actix transaction are lost if the handler panics. Without this middleware none of this happens. With the
//!   feature `tracing` of `tracehop` a warning in the log says so, once for each recorder.
//! * A transaction of the layer ends with its `tracing` span. In axum that of a middleware ends with the head of the
//!   response. Without an incoming trace, calls in the body of a stream are then not recorded. The log spans of this
//!   library keep the span open until the end of the body.
//! * Further in than this library, sentry-actix without transactions binds a hub of no trace. Errors, logs and
//!   metrics of that hub are put into the trace of the request. Spans of the layer become transactions of their own in
//!   that trace.
//! * A `tracing` span between sentry-actix and this library has a hub of the layer, which does not show that sentry-actix
//!   has started a session. The request is then two sessions.
//! * Logs and metrics of a middleware further out stay in the trace that the layer started. Only the layer's
//!   transaction is moved to the incoming trace.
//!
//! Middleware further in finds this service's position in the `sentry-trace` header of the request. If the incoming
//! `baggage` was not used, this service's organisation replaces its Sentry members.
//!
//! # Jobs
//!
//! A job that is spawned by [`in_current_trace`](tracehop::InTrace::in_current_trace), or called by
//! [`in_scope`](tracehop::PropagationContext::in_scope), has the hub of its request. The job's errors, logs and metrics
//! are in the trace, even after the response is sent. Its spans are recorded until then. The SDK's
//! `bind_hub(Hub::current())` keeps outgoing requests in the trace as well.
//!
//! # Features
//!
//! `release-health` and `transport` are on by default, as in the crate `sentry`. Turn them off here where you turn them off
//! there.
//!
//! | feature | what it adds |
//! |---|---|
//! | `actix-http` | the hub of a request in the extensions of actix-web's requests, as an `Arc<Hub>` |
//! | `http` | the same in the extensions of the crate `http`, as in axum |
//! | `release-health` | a session for each request, with [`auto_session_tracking`](sentry::ClientOptions::auto_session_tracking) and [`SessionMode::Request`](sentry::SessionMode::Request) of the SDK |
//! | `transport` | [rate limits](https://develop.sentry.dev/sdk/expected-features/rate-limiting/) by category, through `reqwest` with the TLS of the system |
//! | `rustls-no-provider` | the same with rustls, and a provider by the feature `rustls` of `sentry` or by your own choice |
//!
//! The SDK's own transports hold back items by category only where they can see them, and drop the headers of the rest.
//! So `transport` and `rustls-no-provider` replace the SDK's own transport, with the same options. A transport that you set yourself
//! gets finished bytes, and holds back all of them or none.
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
mod early_ends;
mod envelope;
#[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
mod http_transport;
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
