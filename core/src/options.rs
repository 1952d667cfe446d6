//! The options of a propagator, checked.

use std::fmt;

use crate::decision::Sampler;
use crate::sampling::SampleRate;
use crate::shared_cache::SharedPages;
use crate::targets::TracePropagationTargets;
use crate::wire::Baggage;

/// The options, checked, and what follows from them for every trace.
pub(crate) struct Options {
    /// The items of a dynamic sampling context that are the same for every trace that begins here.
    pub(crate) constant_items: Baggage,
    pub(crate) org_id: Option<Box<str>>,
    pub(crate) traces_sample_rate: Option<SampleRate>,
    pub(crate) traces_sampler: Option<Sampler>,
    pub(crate) strict_trace_continuation: bool,
    pub(crate) trace_propagation_targets: Option<TracePropagationTargets>,
    pub(crate) propagate_traceparent: bool,
    pub(crate) continue_traceparent: bool,
    /// Not options, but what all traces of a propagator share as well.
    pub(crate) shared_pages: SharedPages,
    #[cfg(feature = "sentry")]
    pub(crate) running: crate::sentry::Running,
}

impl Options {
    /// Whether this service makes decisions of its own, and so records spans if they are "yes".
    pub(crate) fn samples(&self) -> bool {
        self.traces_sampler.is_some() || self.traces_sample_rate.is_some()
    }

    pub(crate) fn is_target(&self, url: &str) -> bool {
        self.trace_propagation_targets.as_ref().is_none_or(|targets| targets.matches(url))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("org_id", &self.org_id)
            .field("release", &self.constant_items.get("sentry-release"))
            .field("environment", &self.constant_items.get("sentry-environment"))
            .field("traces_sample_rate", &self.traces_sample_rate)
            .field("traces_sampler", &self.traces_sampler.is_some())
            .field("strict_trace_continuation", &self.strict_trace_continuation)
            .field("trace_propagation_targets", &self.trace_propagation_targets)
            .field("propagate_traceparent", &self.propagate_traceparent)
            .field("continue_traceparent", &self.continue_traceparent)
            .finish_non_exhaustive()
    }
}
