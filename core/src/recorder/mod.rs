//! Recorders: what happens in a trace, for an SDK or a log. For authors of recorders.
//!
//! Propagation decides which trace a request is in. A [`Recorder`] records what happens in it. It is set once, by
//! [`PropagatorBuilder::recorder`](crate::PropagatorBuilder::recorder), and works with every adapter:
//! `tracehop-sentry` has the one for Sentry's SDK. With the feature `tracing` the log spans are a recorder as well.
//! It starts last, and its span is entered outside of all recordings.
//!
//! Three tools are for recorders:
//!
//! * [`PropagationContext::at_span`]: the context at the ids and the decision of a span of the recorder's own.
//! * [`PropagationContext::with_scope`]: the context with an environment, such as a hub, that is entered wherever
//!   the context is.
//! * [`PropagationContext::provisional_position`]: ids and decision, before the decision is made.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicUsize, Ordering};
//!
//! use tracehop::recorder::{IncomingRequest, Outcome, Recorder, Recording};
//! use tracehop::{PropagationContext, Propagator};
//!
//! /// Counts the requests that failed.
//! #[derive(Clone, Default)]
//! struct Failures(Arc<AtomicUsize>);
//!
//! impl Recorder for Failures {
//!     fn start_incoming(
//!         &self,
//!         _: &PropagationContext,
//!         _: &dyn IncomingRequest,
//!     ) -> Option<Box<dyn Recording>> {
//!         Some(Box::new(self.clone()))
//!     }
//! }
//!
//! impl Recording for Failures {
//!     fn finish(&self, outcome: &Outcome<'_>) {
//!         if !matches!(outcome, Outcome::Completed { status: 0..500, .. }) {
//!             self.0.fetch_add(1, Ordering::Relaxed);
//!         }
//!     }
//! }
//!
//! let failures = Failures::default();
//! let propagator = Propagator::builder().recorder(failures.clone()).build()?;
//! # Ok::<(), tracehop::BuildError>(())
//! ```

#[cfg(feature = "tracing")]
mod log_spans;
mod method;

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

#[cfg(feature = "tracing")]
pub(crate) use log_spans::LogSpans;
pub(crate) use method::find as find_method;
pub use method::known_method;

use crate::context::PropagationContext;
pub use crate::context::RecorderScope;

/// Starts a [`Recording`] for each request. See the [module's documentation](self).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a recorder of this version of `tracehop`",
    note = "the recorder for Sentry's SDK is `tracehop_sentry::SentryRecorder`"
)]
pub trait Recorder: Send + Sync + 'static {
    /// Starts the recording of a request that this service answers; `None` if it is not recorded.
    ///
    /// Called once for each request, also if the middleware of an adapter is there twice.
    fn start_incoming(
        &self,
        context: &PropagationContext,
        request: &dyn IncomingRequest,
    ) -> Option<Box<dyn Recording>> {
        let _ = (context, request);
        None
    }

    /// Starts the recording of a request that this service makes; `None` if it is not recorded.
    ///
    /// The context is `None` if the application asked for a request without a trace.
    fn start_outgoing(
        &self,
        context: Option<&PropagationContext>,
        request: &dyn OutgoingRequest,
    ) -> Option<Box<dyn Recording>> {
        let _ = (context, request);
        None
    }

    /// Returns the context of the environment that is current, such as a hub that the application has bound to a task.
    ///
    /// Asked for an outgoing request where no context is [current](PropagationContext::current).
    fn current_context(&self) -> Option<PropagationContext> {
        None
    }

    /// Calls `open` once, which opens a [log span](crate#log-spans) of this library.
    ///
    /// A recorder whose SDK records the spans of the crate `tracing` keeps the SDK from recording this one: the request
    /// has a recording of its own. The log span is entered outside of all recordings.
    fn around_log_span(&self, open: &mut dyn FnMut()) {
        open();
    }

    /// Returns the options of the recorder's SDK.
    ///
    /// The propagator takes those that its builder was not given. If the builder was given another value, `build`
    /// [fails](crate::BuildErrorKind::Sdk): what is propagated and what is recorded must agree.
    fn sdk_options(&self) -> SdkOptions {
        SdkOptions::default()
    }

    /// Returns the recorder for a worker thread; `None` if it is this one. Called on that thread before the thread
    /// serves requests.
    fn for_worker(&self) -> Option<Arc<dyn Recorder>> {
        None
    }
}

/// The options of a recorder's SDK. See [`Recorder::sdk_options`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SdkOptions {
    /// See [`PropagatorBuilder::dsn`](crate::PropagatorBuilder::dsn).
    pub dsn: Option<String>,
    /// See [`PropagatorBuilder::release`](crate::PropagatorBuilder::release).
    pub release: Option<String>,
    /// See [`PropagatorBuilder::environment`](crate::PropagatorBuilder::environment).
    pub environment: Option<String>,
    /// See [`PropagatorBuilder::traces_sample_rate`](crate::PropagatorBuilder::traces_sample_rate).
    pub traces_sample_rate: Option<f64>,
}

/// The recording of one request. If it is dropped before [`finish`](Self::finish), the request was cancelled.
pub trait Recording: Send + Sync {
    /// Returns the context to hand on, if it is another than the one that the recording was started with.
    fn context(&self) -> Option<&PropagationContext> {
        None
    }

    /// Calls `work` once inside of the recording: for the time of a poll or a call. A panic of `work` must pass
    /// through.
    fn enter(&self, work: &mut dyn FnMut()) {
        work();
    }

    /// Whether the headers of an incoming request must have this service's position, for a middleware further in
    /// that continues the trace from them.
    fn needs_position_in_request(&self) -> bool {
        false
    }

    /// Adds what other middleware looks for to the extensions of an incoming request. They are those of the adapter's
    /// framework, such as `actix_http::Extensions` or `http::Extensions`.
    fn extend(&self, extensions: &mut dyn Any) {
        let _ = extensions;
    }

    /// Notes the route of an incoming request, once routing and guards have decided. May be called several times.
    fn set_route(&self, method: &str, pattern: &str) {
        let _ = (method, pattern);
    }

    /// Notes the error that a handler or a middleware returned, and the status of the response that it becomes.
    fn set_error(&self, status: u16, error: &dyn Error) {
        let _ = (status, error);
    }

    /// Notes the status of the response, once its head is there.
    fn set_status(&self, status: u16) {
        let _ = status;
    }

    /// Notes the [status code](https://grpc.io/docs/guides/status-codes/) of a gRPC call, whose HTTP status is 200 also
    /// if it failed. An outgoing call notes it if the head of the response has it.
    fn set_grpc_status(&self, code: u8) {
        let _ = code;
    }

    /// Ends the recording. [`enter`](Self::enter) may still be called, for the rest of a response's body.
    fn finish(&self, outcome: &Outcome<'_>);
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// There was a response. For an incoming request its body is sent, for an outgoing one its head is there.
    #[non_exhaustive]
    Completed {
        /// The status code of the response.
        status: u16,
    },
    /// There was no response, or its body broke off.
    #[non_exhaustive]
    Failed {
        /// The kind of the failure, such as `timeout`, `connect` or `body`.
        kind: &'a str,
    },
}

/// What a recorder can ask of a request that this service answers.
pub trait IncomingRequest {
    /// Returns the method. It is arbitrary client input: see [`known_method`].
    fn method(&self) -> &str;

    /// Returns the pattern of the route, such as `/users/{id}`, if it is known.
    fn route(&self) -> Option<Cow<'_, str>>;

    /// Returns the absolute URL. It may have secrets: see [`redact_url`](crate::hop::redact_url).
    fn url(&self) -> String;

    /// Calls a function for each header line. Headers may have secrets.
    fn each_header(&self, f: &mut dyn FnMut(&str, &[u8])) {
        let _ = f;
    }

    /// Returns the address of the peer of the connection, if it is known. A
    /// [policy](crate::PropagatorBuilder::trust_incoming) decides by it whose traces are continued.
    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

/// Writes a warning to the log, with the feature `tracing`.
///
/// For what a recorder's SDK cannot do. Say it once, and never where the SDK holds a lock: the SDK may record this
/// warning.
pub fn warn(message: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!("{message}");
    #[cfg(not(feature = "tracing"))]
    let _ = message;
}

/// What a recorder can ask of a request that this service makes.
pub trait OutgoingRequest {
    /// Returns the method.
    fn method(&self) -> &str;

    /// Returns the absolute URL. It may have secrets: see [`redact_url`](crate::hop::redact_url).
    fn url(&self) -> Cow<'_, str>;
}
