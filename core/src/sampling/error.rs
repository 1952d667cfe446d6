//! The error for numbers outside of their range.

use std::error::Error;
use std::fmt;
use std::num::ParseFloatError;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{SampleRand, SampleRate};

    #[test]
    fn errors_name_the_allowed_range() {
        let text = |error: SampleError| error.to_string();
        assert!(text(SampleRand::new(1.0).unwrap_err()).ends_with("from 0 to less than 1"));
        assert!(text(SampleRate::new(1.1).unwrap_err()).ends_with("from 0 to 1"));
        assert_eq!(text("x".parse::<SampleRate>().unwrap_err()), "not a decimal number");
        assert!("x".parse::<SampleRate>().unwrap_err().source().is_some());
        assert!(SampleRate::new(1.1).unwrap_err().source().is_none());
    }
}
