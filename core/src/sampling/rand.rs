//! The random number of a trace.

use std::fmt;
use std::str::FromStr;

use super::error::SampleError;
use super::number::number;
use super::rate::SampleRate;

/// The random number of a trace, from 0 to less than 1. Each service compares its sample rate with it.
///
/// The head of the trace makes the number, and it travels in the baggage, so that services with the same rate
/// make the same decision. A number made here has six digits after the point. It is computed from the trace id: equal
/// ids give equal numbers on every machine and in every version. See `sample_rand` in Sentry's
/// [Dynamic Sampling Context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/).
///
/// ```
/// use tracehop::{SampleRand, SampleRate, TraceId};
///
/// let id: TraceId = "771a43a4192642f0b136d5159a501700".parse()?;
/// let rand = SampleRand::from_trace_id(id);
/// assert_eq!(rand, SampleRand::from_trace_id(id));
/// assert!(rand.is_sampled_at(SampleRate::ALWAYS));
/// # Ok::<(), tracehop::IdError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SampleRand(pub(super) f64);

number!(SampleRand);

/// The number of values with six digits after the point from 0 to less than 1.
pub(super) const STEPS: u32 = 1_000_000;

impl SampleRand {
    /// Makes a random number.
    ///
    /// # Errors
    ///
    /// [`SampleError::Rand`] for a number below 0, for 1 and above, and for NaN.
    pub fn new(rand: f64) -> Result<Self, SampleError> {
        if (0.0..1.0).contains(&rand) { Ok(Self(rand + 0.0)) } else { Err(SampleError::Rand(rand)) }
    }

    /// Returns the number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether a trace with this number is sampled at this rate.
    pub fn is_sampled_at(self, rate: SampleRate) -> bool {
        self.0 < rate.get()
    }
}

impl FromStr for SampleRand {
    type Err = SampleError;

    fn from_str(text: &str) -> Result<Self, SampleError> {
        Self::new(text.parse().map_err(SampleError::Number)?)
    }
}

impl fmt::Display for SampleRand {
    /// Writes six digits after the point, or more where the number needs them to read the same again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = (self.0 * f64::from(STEPS)).round();
        if step / f64::from(STEPS) == self.0 {
            write!(f, "{:.6}", self.0)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_have_six_digits_or_those_received() {
        for (text, written) in [
            ("0.5", "0.500000"),
            ("0", "0.000000"),
            ("0.000003", "0.000003"),
            ("0.3", "0.300000"),
            ("0.999999", "0.999999"),
            ("0.9999999", "0.9999999"),
            ("0.1234567", "0.1234567"),
        ] {
            let rand: SampleRand = text.parse().unwrap();
            assert_eq!(rand.to_string(), written);
            assert_eq!(written.parse(), Ok(rand));
        }
        for text in ["1", "1.000000", "-0.1", "NaN", "x", ""] {
            assert!(text.parse::<SampleRand>().is_err(), "{text:?}");
        }
    }
}
