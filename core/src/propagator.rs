//! Continuing a trace, or not.

use std::sync::Arc;

use crate::carrier::Extractor;
use crate::context::PropagationContext;
use crate::incoming::{Incoming, NotContinued};
use crate::options::Options;

/// Makes the [`PropagationContext`] of every request, by one set of options.
///
/// Made once at start-up and cloned at will: clones share the options. Two propagators in one process know
/// nothing of each other.
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
#[derive(Debug, Clone)]
pub struct Propagator {
    options: Arc<Options>,
}

impl Propagator {
    pub(crate) fn new(options: Options) -> Self {
        Self { options: Arc::new(options) }
    }

    /// Continues the trace that a carrier holds, or starts a new one.
    ///
    /// This never fails. Where the trace is not continued, the context
    /// [says why](PropagationContext::not_continued), and with the feature `tracing` so does a debug event,
    /// unless there was nothing to continue.
    ///
    /// The rules are in
    /// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/):
    /// a trace whose `sentry-trace` is malformed, or has lines that differ, is not continued, nor one of
    /// another organisation. Nothing of such a trace is used; a `traceparent` beside a malformed
    /// `sentry-trace` is not either.
    #[must_use = "the trace ends here unless its context is handed on"]
    pub fn continue_trace<E: Extractor + ?Sized>(&self, carrier: &E) -> PropagationContext {
        match Incoming::read(carrier, &self.options) {
            Ok(incoming) => PropagationContext::continued(Arc::clone(&self.options), incoming),
            Err(reason) => {
                #[cfg(feature = "tracing")]
                if reason != NotContinued::NoTrace {
                    tracing::debug!(reason = %reason, "incoming trace not continued");
                }
                PropagationContext::started(Arc::clone(&self.options), reason)
            }
        }
    }

    /// Starts a new trace, of which this service is the head.
    #[must_use = "a trace that nobody is in is none"]
    pub fn start_new_trace(&self) -> PropagationContext {
        PropagationContext::started(Arc::clone(&self.options), NotContinued::NoTrace)
    }

    /// Whether requests to this URL, which is absolute, get trace headers by the
    /// [`trace_propagation_targets`](crate::PropagatorBuilder::trace_propagation_targets).
    ///
    /// [`PropagationContext::inject`] asks the propagator that the context came from. An adapter that has a
    /// propagator of its own asks that one as well, so that a client which was given targets keeps to them,
    /// whichever trace it is used in.
    pub fn is_target(&self, url: impl AsRef<str>) -> bool {
        self.options.is_target(url.as_ref())
    }
}
