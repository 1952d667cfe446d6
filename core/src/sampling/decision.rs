//! The sampling decision of a service.

use super::{SampleRand, SampleRate};

/// The sampling decision of this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    /// `None`: deferred to the next service.
    pub(crate) sampled: Option<bool>,
    /// The rate of this service, if that made the decision.
    pub(crate) own_rate: Option<SampleRate>,
}

impl Decision {
    /// Decides, in order: by the sampler's answer, by the parent's decision, by the rate, or not at all.
    /// `sample_rand` is called only where a rate decides.
    pub(crate) fn new(
        sampler: Option<f64>,
        parent_sampled: Option<bool>,
        rate: Option<SampleRate>,
        sample_rand: impl FnOnce() -> SampleRand,
    ) -> Self {
        let by_rate = |rate: SampleRate| Self {
            sampled: Some(sample_rand().is_sampled_at(rate)),
            own_rate: Some(rate),
        };
        match (sampler, parent_sampled, rate) {
            // An answer that is not a rate means "not sampled", as in the other SDKs.
            (Some(answer), _, _) => by_rate(SampleRate::new(answer).unwrap_or(SampleRate::NEVER)),
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
            let decision = Decision::new(*answer, *parent, own.map(rate), || half);
            assert_eq!(decision.sampled, *sampled, "{parent:?} {own:?}");
            assert_eq!(decision.own_rate, own_rate.map(rate), "{parent:?} {own:?}");
        }
    }
}
