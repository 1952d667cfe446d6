//! The options of a propagator, checked, and what its traces share.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::sampling::{SampleRate, Sampler};
use crate::targets::{RequestUrl, TargetRules};
use crate::wire::Baggage;

/// The checked options, and what follows from them for every trace.
pub(crate) struct Options {
    /// The DSC items that are the same for every trace that begins here.
    pub(crate) constant_items: Baggage,
    pub(crate) org_id: Option<Box<str>>,
    pub(crate) traces_sample_rate: Option<SampleRate>,
    pub(crate) traces_sampler: Option<Sampler>,
    pub(crate) strict_trace_continuation: bool,
    pub(crate) targets: TargetRules,
    pub(crate) propagate_traceparent: bool,
    pub(crate) continue_traceparent: bool,
    pub(crate) span_id_per_request: bool,
    /// Not an option: the routes of cached pages that this propagator has warned about.
    pub(crate) warned_routes: Warnings,
    /// Not an option: the origins off the targets that this propagator has warned about, because redirects led there.
    /// The empty text stands for URLs without a host.
    pub(crate) warned_origins: Warnings,
}

impl Options {
    /// Whether this service decides by a rate or a sampler of its own, and so records spans if sampled.
    pub(crate) fn samples(&self) -> bool {
        self.traces_sampler.is_some() || self.traces_sample_rate.is_some()
    }

    pub(crate) fn is_target<U: RequestUrl + ?Sized>(&self, url: &U) -> bool {
        self.targets.is_everywhere() || self.targets.matches(&url.as_url())
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
            .field("targets", &self.targets)
            .field("propagate_traceparent", &self.propagate_traceparent)
            .field("continue_traceparent", &self.continue_traceparent)
            .field("span_id_per_request", &self.span_id_per_request)
            .finish_non_exhaustive()
    }
}

/// The subjects that a propagator has warned about, so that it warns once about each.
#[derive(Default)]
pub(crate) struct Warnings {
    subjects: Mutex<HashSet<String>>,
}

impl Warnings {
    /// The largest number of subjects: redirects can lead to any number of origins. There is no warning about later
    /// ones.
    const MAX: usize = 1_000;

    /// Returns whether a subject is new, and remembers it.
    pub(crate) fn is_new(&self, subject: &str) -> bool {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.len() < Self::MAX
            && !subjects.contains(subject)
            && subjects.insert(subject.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_new_once_up_to_the_limit() {
        let warnings = Warnings::default();
        assert!(warnings.is_new("a") && !warnings.is_new("a") && warnings.is_new("b"));
        let new = (0..2 * Warnings::MAX).filter(|n| warnings.is_new(&n.to_string())).count();
        assert_eq!(new, Warnings::MAX - 2);
    }
}
