//! The propagator: options that are set once, and the methods that continue or start a trace by them.

mod builder;
mod checks;
mod dsn;
mod environment;
mod error;
mod trust;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub use builder::PropagatorBuilder;
pub use dsn::{Dsn, DsnError};
pub use error::{BuildError, BuildErrorKind};
use trust::TrustPolicy;
pub use trust::{IncomingTrace, Network, NetworkError, Trust};

use crate::carrier::Extractor;
use crate::context::{Incoming, NotContinued, Options, PropagationContext};
use crate::recorder::{IncomingRequest, Recorder};
use crate::targets::RequestUrl;

/// Makes the [`PropagationContext`] of each request, by one set of options.
///
/// Made once at start-up. Clones share the options. Two propagators in one process are independent of each other.
///
/// ```
/// use std::collections::HashMap;
/// use tracehop::Propagator;
///
/// let propagator = Propagator::builder()
///     .dsn("https://key@o123.ingest.sentry.io/42")
///     .release("shop@1.4.0")
///     .build()?;
///
/// let headers = HashMap::from([(
///     "sentry-trace",
///     "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1",
/// )]);
/// let context = propagator.continue_trace(&headers);
/// assert!(context.is_continued());
/// assert_eq!(context.trace_id().to_string(), "771a43a4192642f0b136d5159a501700");
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Propagator {
    options: Arc<Options>,
    dsn: Option<Arc<Dsn>>,
    trust_incoming: Option<TrustPolicy>,
    /// From the outermost to the innermost.
    recorders: Arc<[Arc<dyn Recorder>]>,
}

impl Propagator {
    /// Continues the trace that a carrier holds, or starts a new one.
    ///
    /// This never fails. Where the trace is not continued, the context
    /// [has the reason](PropagationContext::not_continued). With the feature `tracing` a debug event has the reason
    /// and the `trace_id` of the new trace, unless there was nothing to continue.
    ///
    /// The rules are in
    /// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/). A trace is not continued if
    /// its `sentry-trace` is malformed or has lines that differ, or if it belongs to another organisation. Then none
    /// of its values is used, and no `traceparent` beside a malformed `sentry-trace`.
    ///
    /// If the baggage names another trace than `sentry-trace`, its dynamic sampling context counts as not sent:
    /// see [`PropagationContext::dsc_not_used`].
    ///
    /// A [policy](PropagatorBuilder::trust_incoming) sees neither the peer nor the route of a carrier. Adapters continue
    /// the trace by [`continue_request`](crate::hop::continue_request), which has them.
    #[must_use = "the trace ends here unless its context is handed on"]
    pub fn continue_trace<E: Extractor + ?Sized>(&self, carrier: &E) -> PropagationContext {
        self.continue_trace_of(carrier, None)
    }

    /// Continues the trace of a request. The policy for incoming traces sees the request, if it is known.
    pub(crate) fn continue_trace_of<E: Extractor + ?Sized>(
        &self,
        carrier: &E,
        request: Option<&dyn IncomingRequest>,
    ) -> PropagationContext {
        let options = || Arc::clone(&self.options);
        let context = match Incoming::read(carrier, &self.options) {
            Ok(incoming) => match self.trust(&incoming, request) {
                Trust::Continue => PropagationContext::continued(options(), incoming),
                Trust::DecideHere => PropagationContext::decided_here(options(), &incoming),
                Trust::NewTrace => PropagationContext::started(options(), NotContinued::NotTrusted),
            },
            Err(reason) => PropagationContext::started(options(), reason),
        };
        #[cfg(feature = "tracing")]
        {
            // With the id that the logs of the request have.
            let trace_id = context.trace_id();
            match (context.not_continued(), context.dsc_not_used()) {
                (None, Some(reason)) => {
                    tracing::debug!(%reason, %trace_id, "incoming dynamic sampling context not used");
                }
                (None | Some(NotContinued::NoTrace), _) => (),
                (Some(reason), _) => {
                    tracing::debug!(%reason, %trace_id, "incoming trace not continued");
                }
            }
        }
        context
    }

    /// Asks the policy for incoming traces. If it panics, a new trace begins.
    fn trust(&self, incoming: &Incoming, request: Option<&dyn IncomingRequest>) -> Trust {
        let Some(policy) = &self.trust_incoming else { return Trust::Continue };
        let Incoming { sentry_trace, dsc, .. } = incoming;
        let trace = IncomingTrace { request, sentry_trace: *sentry_trace, dsc };
        let answer = catch_unwind(AssertUnwindSafe(|| policy(&trace)));
        #[cfg(feature = "tracing")]
        if answer.is_err() {
            tracing::error!("trust_incoming panicked: a new trace begins");
        }
        answer.unwrap_or(Trust::NewTrace)
    }

    /// Starts a new trace, with this service as its head.
    #[must_use = "a trace has an effect only if its context is used"]
    pub fn start_new_trace(&self) -> PropagationContext {
        PropagationContext::started(Arc::clone(&self.options), NotContinued::NoTrace)
    }

    /// Whether a context was made by this propagator, or by a clone of it.
    pub fn is_propagator_of(&self, context: &PropagationContext) -> bool {
        Arc::ptr_eq(&self.options, context.options())
    }

    /// Whether the requests of a new trace to this URL get trace headers: the URL is a
    /// [target](PropagatorBuilder::trace_propagation_targets), no
    /// [exception](PropagatorBuilder::trace_propagation_exceptions), and not Sentry's.
    ///
    /// For a context, ask [`PropagationContext::propagates_to`].
    pub fn propagates_to<U: RequestUrl + ?Sized>(&self, url: &U) -> bool {
        self.options.is_target(url)
    }

    /// Returns the DSN; `None` if none is set.
    pub fn dsn(&self) -> Option<&Dsn> {
        self.dsn.as_deref()
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn recorders(&self) -> &[Arc<dyn Recorder>] {
        &self.recorders
    }

    /// Whether requests are recorded: by a recorder, or by log spans.
    pub(crate) fn records(&self) -> bool {
        cfg!(feature = "tracing") || !self.recorders.is_empty()
    }

    /// Returns this propagator with recorders for the worker thread that calls it.
    pub(crate) fn for_worker(&self) -> Self {
        let recorders = self.recorders.iter();
        let recorders = recorders
            .map(|recorder| recorder.for_worker().unwrap_or_else(|| Arc::clone(recorder)))
            .collect();
        Self { recorders, ..self.clone() }
    }
}

impl fmt::Debug for Propagator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Propagator")
            .field("options", &self.options)
            .field("trust_incoming", &self.trust_incoming.is_some())
            .field("recorders", &self.recorders.len())
            .finish()
    }
}
