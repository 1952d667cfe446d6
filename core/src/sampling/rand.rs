//! The number that a rate is compared with.

use std::fmt;
use std::str::FromStr;

use super::error::SampleError;
use super::ordered::ordered;
use super::rate::SampleRate;

/// The random number that every service of a trace compares its rate with, from 0 to less than 1.
///
/// Made by the head of the trace, it travels in the baggage, so that services with the same rate decide
/// alike. Made here, it has six digits after the point and follows from the trace id, so that two machines
/// that start from the same id agree, whatever version of this library they run. See `sample_rand` in Sentry's
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

ordered!(SampleRand);

/// Numbers with six digits after the point that are at least 0 and less than 1.
pub(super) const STEPS: u32 = 1_000_000;

impl SampleRand {
    /// The random number of this value.
    ///
    /// # Errors
    ///
    /// [`SampleError::Rand`] for a number below 0, for 1 and above, and for what is not a number.
    pub fn new(rand: f64) -> Result<Self, SampleError> {
        if (0.0..1.0).contains(&rand) { Ok(Self(rand + 0.0)) } else { Err(SampleError::Rand(rand)) }
    }

    /// Reads a number that a member of a list begins its value with, of the form in which SDKs write it, `0.` and
    /// some digits; `None` if the value has another.
    pub(crate) fn parse_decimal(member: &[u8]) -> Option<Self> {
        let [b'0', b'.', digits @ ..] = member else { return None };
        let (mut number, mut one) = (0_u64, 1_u64);
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    number = number * 10 + u64::from(byte - b'0');
                    one *= 10;
                }
                b',' => break,
                _ => return None,
            }
            // Both are whole numbers that the type holds exactly, so that their quotient is rounded once, to the
            // number that is closest to what the text says. With more digits they would not be.
            if one > 1_000_000_000_000_000 {
                return None;
            }
        }
        (one != 1).then(|| Self(number as f64 / one as f64))
    }

    /// The number.
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
    /// Six digits after the point, or as many more as it takes to read the same number again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = (self.0 * f64::from(STEPS)).round();
        if step / f64::from(STEPS) == self.0 && step < f64::from(STEPS) {
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
    fn random_numbers_have_six_digits_and_keep_more_if_received() {
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

    #[test]
    fn decimals_are_read_as_other_numbers_are() {
        let digits = (1..=16).map(|count| "0.".to_owned() + &"9876543210123456"[..count]);
        let small = (1..=16).map(|count| format!("0.{}1", "0".repeat(count - 1)));
        for text in digits.chain(small).chain(["0.0".to_owned(), "0.000000".to_owned()]) {
            let expected = (text.len() <= 17).then(|| text.parse().unwrap());
            for end in ["", ",", ",sentry-a=1"] {
                let member = text.clone() + end;
                assert_eq!(SampleRand::parse_decimal(member.as_bytes()), expected, "{member}");
            }
        }
        for text in
            ["", "0", "0.", "1.0", ".5", "0.5 ", "0.5;p", "0.%35", "0.5e1", "-0.5", "00.5", "0.,"]
        {
            assert_eq!(SampleRand::parse_decimal(text.as_bytes()), None, "{text}");
        }
    }
}
