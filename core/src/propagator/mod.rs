//! The propagator: options that are set once, and what begins a trace by them.

mod builder;
mod checks;
mod dsn;
mod environment;
mod error;

use std::fmt;
use std::sync::Arc;

pub use builder::PropagatorBuilder;
pub use dsn::{Dsn, DsnError};
pub use error::{BuildError, BuildErrorKind};

use crate::carrier::Extractor;
#[cfg(feature = "tracing")]
use crate::context::NotContinued;
use crate::context::{Incoming, Options, PropagationContext};
use crate::recorder::Recorder;
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
    #[must_use = "the trace ends here unless its context is handed on"]
    pub fn continue_trace<E: Extractor + ?Sized>(&self, carrier: &E) -> PropagationContext {
        match Incoming::read(carrier, &self.options) {
            Ok(incoming) => {
                let context = PropagationContext::continued(Arc::clone(&self.options), incoming);
                #[cfg(feature = "tracing")]
                if let Some(reason) = context.dsc_not_used() {
                    let trace_id = context.trace_id();
                    tracing::debug!(%reason, %trace_id, "incoming dynamic sampling context not used");
                }
                context
            }
            Err(reason) => {
                let context = PropagationContext::started(Arc::clone(&self.options), reason);
                #[cfg(feature = "tracing")]
                if let Some(reason) = context.not_continued()
                    && *reason != NotContinued::NoTrace
                {
                    // With the id that the logs of the request have.
                    let trace_id = context.trace_id();
                    tracing::debug!(%reason, %trace_id, "incoming trace not continued");
                }
                context
            }
        }
    }

    /// Starts a new trace, with this service as its head.
    #[must_use = "a trace has an effect only if its context is used"]
    pub fn start_new_trace(&self) -> PropagationContext {
        PropagationContext::started(Arc::clone(&self.options), crate::NotContinued::NoTrace)
    }

    /// Whether a context was made by this propagator, or by a clone of it.
    pub fn is_propagator_of(&self, context: &PropagationContext) -> bool {
        Arc::ptr_eq(&self.options, context.options())
    }

    /// Whether the requests of a new trace to this URL get trace headers: it is a
    /// [target](PropagatorBuilder::trace_propagation_targets), no
    /// [exception](PropagatorBuilder::trace_propagation_exceptions), and not Sentry's.
    ///
    /// For a context, ask [`PropagationContext::propagates_to`].
    pub fn propagates_to<U: RequestUrl + ?Sized>(&self, url: &U) -> bool {
        self.options.is_target(url)
    }

    /// Returns the DSN of the options.
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
        Self { options: Arc::clone(&self.options), dsn: self.dsn.clone(), recorders }
    }
}

impl fmt::Debug for Propagator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Propagator")
            .field("options", &self.options)
            .field("recorders", &self.recorders.len())
            .finish()
    }
}
