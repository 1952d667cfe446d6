//! Continuing a trace, or not.

use std::sync::Arc;

use crate::carrier::{Extractor, Injector};
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

    #[cfg(feature = "sentry")]
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Continues the trace that a carrier holds, or starts a new one.
    ///
    /// This never fails. Where the trace is not continued, the context
    /// [says why](PropagationContext::not_continued), and with the feature `tracing` so does a debug event with
    /// the `trace_id` of the new one, unless there was nothing to continue.
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
                let context = PropagationContext::started(Arc::clone(&self.options), reason);
                #[cfg(feature = "tracing")]
                if let Some(reason) = context.not_continued()
                    && *reason != NotContinued::NoTrace
                {
                    // With the id that all else is logged under that the request causes.
                    let trace_id = context.trace_id();
                    tracing::debug!(%reason, %trace_id, "incoming trace not continued");
                }
                context
            }
        }
    }

    /// Starts a new trace, of which this service is the head.
    #[must_use = "a trace that nobody is in is none"]
    pub fn start_new_trace(&self) -> PropagationContext {
        PropagationContext::started(Arc::clone(&self.options), NotContinued::NoTrace)
    }

    /// Whether a context was made by this propagator, or a clone of it.
    pub fn is_propagator_of(&self, context: &PropagationContext) -> bool {
        Arc::ptr_eq(&self.options, context.options())
    }

    /// As [`PropagationContext::inject`], for a client that has a propagator of its own: the URL must be a
    /// target for this propagator as well. A client that was given targets keeps to them, whichever trace it
    /// is used in.
    pub fn inject<I: Injector + ?Sized>(
        &self,
        context: &PropagationContext,
        url: impl AsRef<str>,
        carrier: &mut I,
    ) {
        if self.propagates_to(context, url) {
            context.inject_always(carrier);
        }
    }

    /// As [`PropagationContext::propagates_to`], for a client that has a propagator of its own: what
    /// [`inject`](Self::inject) decides by.
    pub fn propagates_to(&self, context: &PropagationContext, url: impl AsRef<str>) -> bool {
        let url = url.as_ref();
        context.propagates_to(url)
            && (self.is_propagator_of(context) || self.options.is_target(url))
    }

    /// Whether [`propagates_to`](Self::propagates_to) is true of every URL, as neither propagator was given
    /// [targets](crate::PropagatorBuilder::trace_propagation_targets): then a redirect leads nowhere where the trace
    /// must not go.
    pub fn propagates_everywhere(&self, context: &PropagationContext) -> bool {
        let has_targets = |options: &Options| options.trace_propagation_targets.is_some();
        !has_targets(context.options()) && !has_targets(&self.options)
    }
}
