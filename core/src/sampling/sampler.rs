//! The function that gives the rate of each trace, and its input.

use std::sync::Arc;

use super::SampleRate;

/// The input of a sampler: what is known of the trace to decide on.
///
/// See [`traces_sampler`](crate::PropagatorBuilder::traces_sampler), and the sampling context in Sentry's
/// [Traces](https://develop.sentry.dev/sdk/telemetry/traces/). Tests of a sampler can make one:
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
    /// Sets the name of the transaction.
    #[must_use]
    pub fn with_name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the decision of the calling service.
    #[must_use]
    pub fn with_parent_sampled(mut self, sampled: bool) -> Self {
        self.parent_sampled = Some(sampled);
        self
    }

    /// Sets the rate of the calling service's decision.
    #[must_use]
    pub fn with_parent_sample_rate(mut self, rate: SampleRate) -> Self {
        self.parent_sample_rate = Some(rate);
        self
    }

    /// Returns the transaction's name, such as `GET /users/{id}`, if it was set before the decision.
    pub fn name(&self) -> Option<&str> {
        self.name
    }

    /// Returns the calling service's decision; `None` if there is no calling service, or if it deferred.
    pub fn parent_sampled(&self) -> Option<bool> {
        self.parent_sampled
    }

    /// Returns the rate of the calling service's decision, if it sent one.
    pub fn parent_sample_rate(&self) -> Option<SampleRate> {
        self.parent_sample_rate
    }

    /// Returns the parent's rate, else its decision as 1 or 0, else `fallback`.
    pub fn inherit_or_sample_with(&self, fallback: f64) -> f64 {
        self.parent_sample_rate
            .map(SampleRate::get)
            .or(self.parent_sampled.map(|sampled| f64::from(u8::from(sampled))))
            .unwrap_or(fallback)
    }
}

/// A sampler, as options hold it.
pub(crate) type Sampler = Arc<dyn Fn(&SamplingContext<'_>) -> f64 + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samplers_inherit_rate_then_decision_then_fallback() {
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
                parent_sample_rate: parent_rate.map(|rate| SampleRate::new(rate).unwrap()),
            };
            assert_eq!(context.inherit_or_sample_with(0.1), inherited);
            assert_eq!(context.parent_sampled(), parent_sampled);
        }
    }
}
