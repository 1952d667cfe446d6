//! The sampler, and the sampling decision.

use std::sync::Arc;

use crate::sampling::{SampleRand, SampleRate};

/// What a sampler is told about the trace that it decides on.
///
/// See [`traces_sampler`](crate::PropagatorBuilder::traces_sampler), and the sampling context in Sentry's
/// [Traces](https://develop.sentry.dev/sdk/telemetry/traces/). One can be made to test a sampler with:
///
/// ```
/// use tracehop::{SampleRate, SamplingContext};
///
/// fn rate(trace: &SamplingContext<'_>) -> f64 {
///     match trace.name() {
///         Some("GET /health") => 0.0,
///         _ => trace.inherit_or_sample_with(0.2),
///     }
/// }
///
/// let head = SamplingContext::default();
/// assert_eq!(rate(&head), 0.2);
/// assert_eq!(rate(&head.clone().with_name("GET /health")), 0.0);
/// let half = SampleRate::new(0.5)?;
/// assert_eq!(rate(&head.with_parent_sampled(true).with_parent_sample_rate(half)), 0.5);
/// # Ok::<(), tracehop::SampleError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SamplingContext<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) parent_sampled: Option<bool>,
    pub(crate) parent_sample_rate: Option<SampleRate>,
}

impl<'a> SamplingContext<'a> {
    /// With this name of the transaction.
    #[must_use]
    pub fn with_name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// With this decision of the calling service's.
    #[must_use]
    pub fn with_parent_sampled(mut self, sampled: bool) -> Self {
        self.parent_sampled = Some(sampled);
        self
    }

    /// With this rate, which the calling service decided at.
    #[must_use]
    pub fn with_parent_sample_rate(mut self, rate: SampleRate) -> Self {
        self.parent_sample_rate = Some(rate);
        self
    }

    /// The transaction's name, such as `GET /users/{id}`, if it was set before the decision was asked for.
    pub fn name(&self) -> Option<&str> {
        self.name
    }

    /// What the calling service decided; `None` if there is none, or if it deferred its decision.
    pub fn parent_sampled(&self) -> Option<bool> {
        self.parent_sampled
    }

    /// The rate that the calling service decided at, if it said.
    pub fn parent_sample_rate(&self) -> Option<SampleRate> {
        self.parent_sample_rate
    }

    /// The parent's rate, else its decision as 1 or 0, else `fallback`.
    pub fn inherit_or_sample_with(&self, fallback: f64) -> f64 {
        self.parent_sample_rate
            .map(SampleRate::get)
            .or(self.parent_sampled.map(|sampled| f64::from(u8::from(sampled))))
            .unwrap_or(fallback)
    }
}

/// A sampler, as the options keep it.
pub(crate) type Sampler = Arc<dyn Fn(&SamplingContext<'_>) -> f64 + Send + Sync>;

/// The sampling decision of this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    /// `None`: deferred to the next service.
    pub(crate) sampled: Option<bool>,
    /// The rate of this service's own that made the decision, if one did.
    pub(crate) own_rate: Option<SampleRate>,
}

impl Decision {
    /// Decides, in order: by the sampler's answer, by the parent's decision, by the rate, or not at all. The random
    /// number is asked for only where a rate decides.
    pub(crate) fn new(
        sampler: Option<impl FnOnce() -> f64>,
        parent_sampled: Option<bool>,
        rate: Option<SampleRate>,
        sample_rand: impl FnOnce() -> SampleRand,
    ) -> Self {
        let by_rate = |rate: SampleRate| Self {
            sampled: Some(sample_rand().is_sampled_at(rate)),
            own_rate: Some(rate),
        };
        match (sampler, parent_sampled, rate) {
            // An answer that is no rate means "no", as in the other SDKs.
            (Some(answer), _, _) => by_rate(SampleRate::new(answer()).unwrap_or(SampleRate::NEVER)),
            (None, None, Some(rate)) => by_rate(rate),
            (None, parent, _) => Self { sampled: parent, own_rate: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: f64) -> SampleRate {
        SampleRate::new(rate).unwrap()
    }

    #[test]
    fn decisions_follow_the_precedence() {
        let half = "0.5".parse().unwrap();
        type Row = (Option<f64>, Option<bool>, Option<f64>, Option<bool>, Option<f64>);
        let table: &[Row] = &[
            (None, None, None, None, None),
            (None, Some(true), None, Some(true), None),
            (None, Some(false), None, Some(false), None),
            (None, None, Some(0.0), Some(false), Some(0.0)),
            (None, None, Some(0.5), Some(false), Some(0.5)),
            (None, None, Some(0.6), Some(true), Some(0.6)),
            (None, Some(true), Some(0.0), Some(true), None),
            (None, Some(false), Some(1.0), Some(false), None),
            (Some(1.0), Some(false), Some(0.0), Some(true), Some(1.0)),
            (Some(0.0), Some(true), Some(1.0), Some(false), Some(0.0)),
            (Some(f64::NAN), Some(true), Some(1.0), Some(false), Some(0.0)),
            (Some(1.5), None, None, Some(false), Some(0.0)),
        ];
        for (answer, parent, own, sampled, own_rate) in table {
            let sampler = answer.map(|answer| move || answer);
            let decision = Decision::new(sampler, *parent, own.map(rate), || half);
            assert_eq!(decision.sampled, *sampled, "{parent:?} {own:?}");
            assert_eq!(decision.own_rate, own_rate.map(rate), "{parent:?} {own:?}");
        }
    }

    #[test]
    fn a_sampler_inherits_the_rate_before_the_decision_before_the_fallback() {
        for (parent_sampled, parent_rate, inherited) in [
            (Some(true), Some(0.25), 0.25),
            (None, Some(0.25), 0.25),
            (Some(true), None, 1.0),
            (Some(false), None, 0.0),
            (None, None, 0.1),
        ] {
            let context = SamplingContext {
                name: None,
                parent_sampled,
                parent_sample_rate: parent_rate.map(rate),
            };
            assert_eq!(context.inherit_or_sample_with(0.1), inherited);
            assert_eq!(context.parent_sampled(), parent_sampled);
        }
    }
}
