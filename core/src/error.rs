//! What is wrong with a configuration.

use std::error::Error;
use std::fmt;

use crate::dsn::DsnError;
use crate::sampling::SampleError;
use crate::targets::TargetError;

/// An option of a [`Propagator`](crate::Propagator) that cannot be used.
///
/// Its text names the option, the value and what is allowed. Keys in a value are left out.
///
/// ```
/// use tracehop::Propagator;
///
/// let error = Propagator::builder().traces_sample_rate(25.0).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "option traces_sample_rate is \"25\": 25 is out of range: it must be from 0 to 1"
/// );
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BuildError {
    option: &'static str,
    value: String,
    cause: BuildErrorCause,
}

/// What is wrong with an option's value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum BuildErrorCause {
    /// It is not a DSN.
    Dsn(DsnError),
    /// It is not a sample rate.
    SampleRate(SampleError),
    /// It is not a target that headers can be sent to.
    Target(TargetError),
    /// It is not an organisation id, which is a number.
    OrgId,
    /// It is longer than Sentry keeps such a text, or has a control character.
    Text {
        /// Characters that are allowed.
        limit: usize,
    },
    /// It is an environment variable's value that is not UTF-8.
    NotUnicode,
}

impl BuildError {
    pub(crate) fn new(
        option: &'static str,
        value: impl Into<String>,
        cause: BuildErrorCause,
    ) -> Self {
        Self { option, value: value.into(), cause }
    }

    /// The option, or the environment variable that it was taken from.
    pub fn option(&self) -> &str {
        self.option
    }

    /// The value, without keys.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is wrong with it.
    pub fn cause(&self) -> &BuildErrorCause {
        &self.cause
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "option {} is {:?}: ", self.option, self.value)?;
        match &self.cause {
            BuildErrorCause::Dsn(error) => error.fmt(f),
            BuildErrorCause::SampleRate(error) => error.fmt(f),
            BuildErrorCause::Target(error) => error.fmt(f),
            BuildErrorCause::OrgId => {
                f.write_str("an organisation id is a number; the organisation's name is not its id")
            }
            BuildErrorCause::Text { limit } => {
                write!(
                    f,
                    "it must have at most {limit} characters, none of them a control character"
                )
            }
            BuildErrorCause::NotUnicode => f.write_str("it is not UTF-8"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            BuildErrorCause::Dsn(error) => Some(error),
            BuildErrorCause::SampleRate(error) => Some(error),
            BuildErrorCause::Target(error) => Some(error),
            _ => None,
        }
    }
}
