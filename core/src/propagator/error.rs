//! The error for options that cannot be used.

use std::error::Error;
use std::fmt;

use super::dsn::DsnError;
use crate::sampling::SampleError;
use crate::targets::TargetError;

/// An option of a [`Propagator`](crate::Propagator) that cannot be used.
///
/// The text names the option, the value and what is allowed. Keys in a value are left out. `Debug` has the same text,
/// because an `unwrap` and a `main` that returns the error show it.
///
/// ```
/// use tracehop::Propagator;
///
/// let error = Propagator::builder().traces_sample_rate(25.0).build().unwrap_err();
/// let text = "option traces_sample_rate is \"25\": a sample rate is a number from 0 to 1, such as 0.25";
/// assert_eq!(error.to_string(), text);
/// assert_eq!(format!("{error:?}"), text);
/// ```
#[derive(Clone, PartialEq)]
pub struct BuildError {
    option: &'static str,
    value: String,
    kind: BuildErrorKind,
}

/// The reason why an option's value cannot be used.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// The value is not a DSN.
    Dsn(DsnError),
    /// The value is not a sample rate.
    SampleRate(SampleError),
    /// The value is not a target that headers can be sent to.
    Target(TargetError),
    /// The value is not the absolute URL of a tunnel.
    Tunnel,
    /// The value is not an organisation id, a number of at most 20 digits.
    OrgId,
    /// The value is longer than Sentry accepts, or has a control character.
    Text {
        /// The largest number of characters.
        limit: usize,
    },
    /// The value of an environment variable is not UTF-8.
    NotUnicode,
    /// The SDK of a [recorder](crate::recorder::Recorder::sdk_options) has another value.
    Sdk {
        /// The value that the SDK has, without keys.
        value: String,
    },
}

impl BuildError {
    pub(crate) fn new(
        option: &'static str,
        value: impl Into<String>,
        kind: BuildErrorKind,
    ) -> Self {
        Self { option, value: value.into(), kind }
    }

    /// Returns the option, or the environment variable that it was read from.
    pub fn option(&self) -> &str {
        self.option
    }

    /// Returns the value, without keys.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns the reason.
    pub fn kind(&self) -> &BuildErrorKind {
        &self.kind
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.option.starts_with("SENTRY_") { "variable" } else { "option" };
        write!(f, "{what} {} is {:?}: ", self.option, self.value)?;
        match &self.kind {
            BuildErrorKind::Dsn(error) => error.fmt(f),
            BuildErrorKind::SampleRate(_) => {
                f.write_str("a sample rate is a number from 0 to 1, such as 0.25")
            }
            BuildErrorKind::Target(error) => error.fmt(f),
            BuildErrorKind::Tunnel => f.write_str(
                "a tunnel is the absolute URL that events are sent to: https://shop.example.com/tunnel",
            ),
            BuildErrorKind::OrgId => {
                f.write_str("an organisation id is a number of at most 20 digits, and not the organisation's name")
            }
            BuildErrorKind::Text { limit } => {
                write!(
                    f,
                    "it must have at most {limit} characters, none of them a control character"
                )
            }
            BuildErrorKind::NotUnicode => f.write_str("it is not UTF-8"),
            BuildErrorKind::Sdk { value } => {
                write!(
                    f,
                    "the SDK of the recorder has {value:?}. Set the option there, and leave it out here"
                )
            }
        }
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            // The errors themselves are part of the text above.
            BuildErrorKind::Dsn(error) => error.source(),
            BuildErrorKind::SampleRate(error) => error.source(),
            BuildErrorKind::Target(error) => error.source(),
            _ => None,
        }
    }
}
