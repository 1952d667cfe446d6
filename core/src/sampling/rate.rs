//! The share of traces to sample.

use std::fmt;
use std::str::FromStr;

use super::error::SampleError;
use super::number::number;

/// A sample rate: the share of traces to sample, from 0 to 1, both included. See Sentry's
/// [Traces](https://develop.sentry.dev/sdk/telemetry/traces/).
///
/// ```
/// use tracehop::SampleRate;
///
/// assert_eq!("1e-5".parse::<SampleRate>()?.to_string(), "0.00001");
/// assert!(SampleRate::new(1.5).is_err());
/// # Ok::<(), tracehop::SampleError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SampleRate(f64);

number!(SampleRate);

impl SampleRate {
    /// Samples no trace.
    pub const NEVER: Self = Self(0.0);

    /// Samples every trace.
    pub const ALWAYS: Self = Self(1.0);

    /// Makes a rate.
    ///
    /// # Errors
    ///
    /// [`SampleError::Rate`] for a number below 0 or above 1, and for NaN.
    pub fn new(rate: f64) -> Result<Self, SampleError> {
        if (0.0..=1.0).contains(&rate) {
            // Adding zero turns the negative zero, which is in the range, into the positive one.
            Ok(Self(rate + 0.0))
        } else {
            Err(SampleError::Rate(rate))
        }
    }

    /// Returns the number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for SampleRate {
    type Err = SampleError;

    fn from_str(text: &str) -> Result<Self, SampleError> {
        Self::new(text.parse().map_err(SampleError::Number)?)
    }
}

impl fmt::Display for SampleRate {
    /// Writes the shortest text that reads as the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0.0 || self.0 >= 1e-6 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:e}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_round_trip_through_their_text() {
        for (text, written) in [
            ("0.25", "0.25"),
            ("1", "1"),
            ("1.0", "1"),
            ("0", "0"),
            ("-0", "0"),
            (".5", "0.5"),
            ("1e-5", "0.00001"),
            ("1E-9", "1e-9"),
            ("0.1", "0.1"),
            ("0.3333333333333333", "0.3333333333333333"),
        ] {
            let rate: SampleRate = text.parse().unwrap();
            assert_eq!(rate.to_string(), written);
            assert_eq!(written.parse(), Ok(rate));
        }
        for text in ["", "x", "1.1", "-0.1", "NaN", "inf", "0,5", " 1"] {
            assert!(text.parse::<SampleRate>().is_err(), "{text:?}");
        }
    }
}
