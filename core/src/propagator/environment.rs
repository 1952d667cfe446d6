//! Reads options from environment variables.

use std::env;
use std::ffi::OsString;

use super::Propagator;
use super::builder::{Given, PropagatorBuilder};
use super::dsn::redacted;
use super::error::{BuildError, BuildErrorKind};
use crate::sampling::SampleError;

impl Propagator {
    /// Makes a propagator with the options in the environment. To set more,
    /// use [`PropagatorBuilder::from_env`].
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, BuildError> {
        PropagatorBuilder::from_env()?.build()
    }
}

impl PropagatorBuilder {
    /// Reads `SENTRY_DSN`, `SENTRY_RELEASE`, `SENTRY_ENVIRONMENT` and `SENTRY_TRACES_SAMPLE_RATE`. An empty variable
    /// counts as not set.
    ///
    /// # Errors
    ///
    /// A variable that is not UTF-8, or a rate that is not a number. [`build`](Self::build) checks everything else.
    pub fn from_env() -> Result<Self, BuildError> {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, BuildError> {
        let text = |by: &'static str| match variable(by).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Given { by, value }.non_empty()),
            Some(Err(value)) => {
                let value = redacted(&value.to_string_lossy());
                Err(BuildError::new(by, value, BuildErrorKind::NotUnicode))
            }
        };
        let rate = |Given { by, value }: Given<String>| match value.parse() {
            Ok(value) => Ok(Given { by, value }),
            Err(error) => {
                let kind = BuildErrorKind::SampleRate(SampleError::Number(error));
                Err(BuildError::new(by, value, kind))
            }
        };
        Ok(Self {
            dsn: text("SENTRY_DSN")?,
            release: text("SENTRY_RELEASE")?,
            environment: text("SENTRY_ENVIRONMENT")?,
            traces_sample_rate: text("SENTRY_TRACES_SAMPLE_RATE")?.map(rate).transpose()?,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::SampleRate;

    #[test]
    fn variables_set_options_unless_they_are_empty() {
        let vars = |pairs: &'static [(&str, &str)]| {
            PropagatorBuilder::from_variables(|name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            })
        };
        let builder = vars(&[
            ("SENTRY_DSN", "https://key@o7.ingest.sentry.io/1"),
            ("SENTRY_RELEASE", "shop@1"),
            ("SENTRY_ENVIRONMENT", "stage"),
            ("SENTRY_TRACES_SAMPLE_RATE", "0.5"),
        ])
        .unwrap();
        let dsc = builder.build().unwrap().start_new_trace().dsc().clone();
        assert_eq!(dsc.public_key().as_deref(), Some("key"));
        assert_eq!(dsc.org_id().as_deref(), Some("7"));
        assert_eq!(dsc.release().as_deref(), Some("shop@1"));
        assert_eq!(dsc.environment().as_deref(), Some("stage"));
        assert_eq!(dsc.sample_rate().map(SampleRate::get), Some(0.5));

        let empty = vars(&[
            ("SENTRY_DSN", ""),
            ("SENTRY_RELEASE", ""),
            ("SENTRY_ENVIRONMENT", ""),
            ("SENTRY_TRACES_SAMPLE_RATE", ""),
        ])
        .unwrap();
        let dsc = empty.build().unwrap().start_new_trace().dsc().clone();
        assert_eq!((dsc.public_key(), dsc.release(), dsc.sample_rate()), (None, None, None));
        assert_eq!(dsc.environment().as_deref(), Some("production"));

        for (name, value, shown) in [
            ("SENTRY_DSN", "hush", "…"),
            ("SENTRY_RELEASE", "a\tb", "a\tb"),
            ("SENTRY_ENVIRONMENT", "a\tb", "a\tb"),
            ("SENTRY_TRACES_SAMPLE_RATE", "25%", "25%"),
            ("SENTRY_TRACES_SAMPLE_RATE", "25", "25"),
        ] {
            let builder =
                PropagatorBuilder::from_variables(|known| (known == name).then(|| value.into()));
            let error = builder.and_then(PropagatorBuilder::build).unwrap_err();
            assert_eq!((error.option(), error.value()), (name, shown));
            let text = error.to_string();
            assert!(text.starts_with(&format!("variable {name} is {shown:?}: ")), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn variables_that_are_not_utf_8_are_named() {
        use std::os::unix::ffi::OsStringExt;

        let error = PropagatorBuilder::from_variables(|name| {
            (name == "SENTRY_RELEASE").then(|| OsString::from_vec(vec![b'x', 0xff]))
        })
        .unwrap_err();
        assert_eq!((error.option(), error.kind()), ("SENTRY_RELEASE", &BuildErrorKind::NotUnicode));
    }
}
