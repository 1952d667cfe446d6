//! Rate and random number: what the sampling decision is made from.
//!
//! The rules are those of
//! [Dynamic Sampling Context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/)
//! and [Traces](https://develop.sentry.dev/sdk/telemetry/traces/) in Sentry's SDK specification.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::ParseFloatError;
use std::str::FromStr;

use crate::id::TraceId;

/// Why a number is not a sample rate or a sample random number.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SampleError {
    /// The text is not a number.
    Number(ParseFloatError),
    /// The number is not a sample rate.
    Rate(f64),
    /// The number is not a sample random number.
    Rand(f64),
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(_) => f.write_str("not a decimal number"),
            Self::Rate(number) => {
                write!(f, "{number} is not a sample rate, which is from 0 to 1")
            }
            Self::Rand(number) => {
                write!(f, "{number} is not a sample random number, which is from 0 to less than 1")
            }
        }
    }
}

impl Error for SampleError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Number(error) => Some(error),
            Self::Rate(_) | Self::Rand(_) => None,
        }
    }
}

/// Neither type has a value that is not a number, or a negative zero, which are what keeps other floating
/// point numbers from having an order and a hash.
macro_rules! ordered {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.total_cmp(&other.0)
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.to_bits().hash(state);
            }
        }

        impl TryFrom<f64> for $name {
            type Error = SampleError;

            fn try_from(number: f64) -> Result<Self, SampleError> {
                Self::new(number)
            }
        }
    };
}

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

ordered!(SampleRate);

impl SampleRate {
    /// Nothing is sampled.
    pub const NEVER: Self = Self(0.0);

    /// Everything is sampled.
    pub const ALWAYS: Self = Self(1.0);

    /// The rate of this number.
    ///
    /// # Errors
    ///
    /// [`SampleError::Rate`] for a number below 0 or above 1, and for what is not a number.
    pub fn new(rate: f64) -> Result<Self, SampleError> {
        if (0.0..=1.0).contains(&rate) {
            // Adding zero makes the negative zero, which is in the range, a plain one.
            Ok(Self(rate + 0.0))
        } else {
            Err(SampleError::Rate(rate))
        }
    }

    /// The number.
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
    /// The shortest text that reads as the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0.0 || self.0 >= 1e-6 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:e}", self.0)
        }
    }
}

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
pub struct SampleRand(f64);

ordered!(SampleRand);

/// Numbers with six digits after the point that are at least 0 and less than 1.
const STEPS: u32 = 1_000_000;

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

    /// The number that belongs to a trace id.
    pub fn from_trace_id(trace_id: TraceId) -> Self {
        Self::draw(trace_id, 0, STEPS)
    }

    /// The number that belongs to a trace id, given what the head of the trace decided at which rate.
    ///
    /// The number agrees with the decision: below the rate if sampled, else not below it. Where no number
    /// can agree (sampled at a rate of 0, not sampled at a rate of 1) it is that of
    /// [`from_trace_id`](Self::from_trace_id).
    pub fn from_decision(trace_id: TraceId, sampled: bool, rate: SampleRate) -> Self {
        let below = steps_below(rate);
        match (sampled, below) {
            (true, 0) => Self::from_trace_id(trace_id),
            (true, _) => Self::draw(trace_id, 0, below),
            // So close to 1 that six digits have no room above: the rate itself is not below the rate.
            (false, STEPS) if rate.0 < 1.0 => Self(rate.0),
            (false, STEPS) => Self::from_trace_id(trace_id),
            (false, _) => Self::draw(trace_id, below, STEPS),
        }
    }

    /// One of the steps from `start` to below `end`, all alike probable.
    fn draw(trace_id: TraceId, start: u32, end: u32) -> Self {
        // A step of SplitMix64 over both halves of the id. The first digits of a random id would do, were
        // not some of them fixed by the UUID version, and some ids counted up.
        let (high, low) = uuid::Uuid::from(trace_id).as_u64_pair();
        let mut bits = (high ^ low.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let step = (u128::from(bits) * u128::from(end - start)) >> 64;
        // Less than `end - start`, so that the default is never taken.
        Self(f64::from(start + u32::try_from(step).unwrap_or_default()) / f64::from(STEPS))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether a trace with this number is sampled at this rate.
    pub fn is_sampled_at(self, rate: SampleRate) -> bool {
        self.0 < rate.0
    }
}

/// How many steps are below a rate.
fn steps_below(rate: SampleRate) -> u32 {
    // The product is rounded, so that its ceiling may be one off to either side.
    let guess = (rate.0 * f64::from(STEPS)).ceil() as u32;
    let is_below = |step: u32| f64::from(step) / f64::from(STEPS) < rate.0;
    (guess.saturating_sub(1)..=guess).find(|step| !is_below(*step)).unwrap_or(guess + 1).min(STEPS)
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

    fn id(text: &str) -> TraceId {
        text.parse().unwrap()
    }

    fn rate(rate: f64) -> SampleRate {
        SampleRate::new(rate).unwrap()
    }

    #[test]
    fn rates_are_read_as_numbers_and_written_so_that_they_read_the_same() {
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
        let text = |error: SampleError| error.to_string();
        assert!(text(SampleRand::new(1.0).unwrap_err()).ends_with("from 0 to less than 1"));
        assert!(text(SampleRate::new(1.1).unwrap_err()).ends_with("from 0 to 1"));
        assert_eq!(text("x".parse::<SampleRate>().unwrap_err()), "not a decimal number");
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

    /// Fixed for all time: services with other versions of this library must draw the same numbers.
    #[test]
    fn a_trace_id_always_gives_the_same_number() {
        for (text, rand) in [
            ("00000000000000000000000000000001", "0.766301"),
            ("771a43a4192642f0b136d5159a501700", "0.233266"),
            ("ffffffffffffffffffffffffffffffff", "0.883310"),
        ] {
            assert_eq!(SampleRand::from_trace_id(id(text)).to_string(), rand, "{text}");
        }
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut tenths = [0_u32; 10];
        for _ in 0..100_000 {
            let rand = SampleRand::from_trace_id(TraceId::random()).get();
            tenths[(rand * 10.0) as usize] += 1;
        }
        // Five standard deviations of a binomial distribution around 10 000 are 474.
        assert!(tenths.iter().all(|count| (9_526..=10_474).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_number_drawn_for_a_decision_agrees_with_it() {
        let rates =
            [1e-9, 1e-6, 0.000_001_5, 0.1, 0.25, 0.3, 0.7, 0.999_999, 0.999_999_5, 0.123_456_789];
        for number in rates {
            for sampled in [true, false] {
                for _ in 0..200 {
                    let rand = SampleRand::from_decision(TraceId::random(), sampled, rate(number));
                    let written: SampleRand = rand.to_string().parse().unwrap();
                    assert_eq!(written.is_sampled_at(rate(number)), sampled, "{number} {rand}");
                }
            }
        }
        assert!(SampleRand::from_decision(TraceId::random(), true, rate(1.0)).get() < 1.0);
        assert!(SampleRand::from_decision(TraceId::random(), false, rate(1.0)).get() < 1.0);
    }

    #[test]
    fn steps_below_a_rate_are_counted_exactly() {
        for (number, steps) in [
            (0.0, 0),
            (1e-9, 1),
            (1e-6, 1),
            (0.000_001_5, 2),
            (0.3, 300_000),
            (0.7, 700_000),
            (1.0, STEPS),
        ] {
            assert_eq!(steps_below(rate(number)), steps, "{number}");
        }
        for step in 0..=STEPS {
            assert_eq!(steps_below(rate(f64::from(step) / f64::from(STEPS))), step);
        }
    }
}
