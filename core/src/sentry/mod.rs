//! Beside Sentry's SDK for Rust: its transactions, spans and errors belong to the trace that is propagated.
//!
//! The SDK, the crate `sentry`, continues a trace by itself, but keeps no dynamic sampling context, and knows
//! nothing of a [`PropagationContext`](crate::PropagationContext). Here both are made one: a [`Transaction`] has
//! exactly the ids and the decision of a context, a [`ChildSpan`] the span id that the next service gets as its
//! parent, and a [transport](crate::Propagator::sentry_transport) gives every envelope the context's frozen dynamic
//! sampling context. `tracehop-actix` and `tracehop-reqwest` do the rest, each with a feature of the same name.
//!
//! # Setting up the SDK
//!
//! One line more than without:
//!
//! ```
//! use tracehop::Propagator;
//!
//! let propagator = Propagator::builder()
//!     .dsn("https://key@o123.ingest.sentry.io/42")
//!     .traces_sample_rate(0.25)
//!     .build()?;
//!
//! let options = sentry::ClientOptions::new()
//!     .dsn("https://key@o123.ingest.sentry.io/42")
//!     .traces_sample_rate(0.25)
//!     .transport(propagator.sentry_transport(sentry::transports::DefaultTransportFactory));
//! let _guard = sentry::init(options);
//! # Ok::<(), tracehop::BuildError>(())
//! ```
//!
//! Two options say together whether transactions are sent:
//!
//! * Without a rate or a sampler of the *propagator's*, decisions are deferred: nothing is sent, and errors carry
//!   the trace all the same.
//! * Without a rate of the *SDK's* it sends no transactions at all. Give it the same one. It is compared with
//!   nothing, as the propagator has decided. A `traces_sampler` of the SDK's does decide once more, without the
//!   trace's random number, and what it says is what is propagated; set the propagator's instead.
//!
//! # By hand
//!
//! For what is no request to actix-web, such as a job:
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Arc;
//!
//! use sentry::protocol::SpanStatus;
//! use sentry::{Hub, SentryFutureExt as _};
//! use tracehop::sentry::Transaction;
//! use tracehop::{PropagationContext, Propagator};
//!
//! async fn work(propagator: &Propagator, message: &HashMap<String, String>) {
//!     let context = propagator.continue_trace(message);
//!     context.set_transaction("send confirmation");
//!     let hub = Arc::new(Hub::new_from_top(Hub::current()));
//!     let transaction = Transaction::start(&context, hub, "send confirmation", "queue.process");
//!     send().bind_hub(Arc::clone(transaction.hub())).await;
//!     transaction.finish(SpanStatus::Ok);
//! }
//!
//! async fn send() { /* errors that are captured here belong to the trace */ }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! #     work(&Propagator::builder().build().unwrap(), &HashMap::new()).await;
//! # });
//! ```

mod child_span;
mod envelope;
mod ids;
mod inject;
mod joined;
mod running;
mod status;
mod transaction;
mod transport;

pub use child_span::ChildSpan;
pub use inject::inject_position;
pub(crate) use running::Running;
pub use status::span_status;
pub use transaction::Transaction;
pub use transport::{Transport, TransportFactory};
