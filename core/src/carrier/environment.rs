//! The environment of this process, and of a child process.

use std::borrow::Cow;
use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

use super::{Extractor, Field, Injector, joined};

/// The environment variables that carry a trace, `SENTRY_TRACE` and `SENTRY_BAGGAGE`, by Sentry's
/// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/).
///
/// A scheduled job or a build step continues the trace of the process that started it. To hand a trace on to a
/// child process, inject it into its [`Command`]. A command of tokio returns its standard one by `as_std_mut`.
///
/// ```
/// use std::process::Command;
/// use tracehop::{Environment, Propagator};
///
/// let propagator = Propagator::from_env()?;
/// let context = propagator.continue_trace(&Environment::current());
///
/// let mut job = Command::new("nightly-report");
/// context.inject(&mut job);
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    sentry_trace: Option<OsString>,
    baggage: Option<OsString>,
}

impl Environment {
    /// Reads the environment of this process. An empty variable counts as not set.
    pub fn current() -> Self {
        Self::from_variables(env::var_os)
    }

    fn from_variables(variable: impl Fn(&'static str) -> Option<OsString>) -> Self {
        let value = |field: Field| {
            field.environment_name().and_then(&variable).filter(|value| !value.is_empty())
        };
        Self { sentry_trace: value(Field::SentryTrace), baggage: value(Field::Baggage) }
    }
}

/// Makes the environment of another process, or one for a test. Other variables are ignored, an empty variable
/// counts as not set, and the last of equal names counts.
///
/// ```
/// use tracehop::{Environment, Propagator};
///
/// let value = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
/// let environment = Environment::from_iter([("PATH", "/bin"), ("SENTRY_TRACE", value)]);
/// assert!(Propagator::builder().build()?.continue_trace(&environment).is_continued());
/// # Ok::<(), tracehop::BuildError>(())
/// ```
impl<K: AsRef<OsStr>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let is = |field: Field| field.environment_name().is_some_and(|it| name.as_ref() == it);
            let variable = if is(Field::SentryTrace) {
                &mut environment.sentry_trace
            } else if is(Field::Baggage) {
                &mut environment.baggage
            } else {
                continue;
            };
            *variable = Some(value.into()).filter(|value| !value.is_empty());
        }
        environment
    }
}

impl Extractor for Environment {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let value = match field {
            Field::SentryTrace => self.sentry_trace.as_deref(),
            Field::Baggage => self.baggage.as_deref(),
            Field::Traceparent | Field::Tracestate => None,
        };
        value.into_iter().map(OsStr::as_encoded_bytes)
    }
}

/// Reads only what was set on the command itself, not what the child would inherit: the trace that this process
/// was started in is not the trace of its children.
impl Extractor for Command {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.get_envs()
            .filter(move |(key, _)| field.environment_name().is_some_and(|name| *key == name))
            .filter_map(|(_, value)| value.map(OsStr::as_encoded_bytes))
    }
}

/// Replaces or removes the trace variables that the child would inherit from this process, because they may belong to
/// another trace.
impl Injector for Command {
    fn set(&mut self, field: Field, value: &str) {
        if field == Field::SentryTrace && self.existing(Field::Baggage).is_none() {
            self.env_remove("SENTRY_BAGGAGE");
        }
        if let Some(name) = field.environment_name() {
            self.env(name, value);
        }
    }

    fn existing(&self, field: Field) -> Option<Cow<'_, [u8]>> {
        joined(self.extract(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_carry_environment_fields_only() {
        let mut command = Command::new("true");
        for field in Field::ALL.iter().copied() {
            command.set(field, "x");
        }
        let mut names: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        names.sort();
        assert_eq!(names, ["SENTRY_BAGGAGE", "SENTRY_TRACE"]);
        assert_eq!(command.extract(Field::SentryTrace).collect::<Vec<_>>(), [b"x"]);
        assert_eq!(command.extract(Field::Traceparent).count(), 0);
    }

    #[test]
    fn empty_variables_count_as_not_set() {
        let set = Environment::from_variables(|name| Some(name.into()));
        assert_eq!(set.extract(Field::SentryTrace).collect::<Vec<_>>(), [b"SENTRY_TRACE"]);
        assert_eq!(set.extract(Field::Baggage).collect::<Vec<_>>(), [b"SENTRY_BAGGAGE"]);
        let empty = Environment::from_variables(|_| Some(OsString::new()));
        assert_eq!(empty, Environment::default());
    }

    #[test]
    fn environments_keep_only_trace_variables() {
        let of = |variables: &[(&str, &str)]| variables.iter().copied().collect::<Environment>();
        let carrying =
            of(&[("SENTRY_TRACE", "x"), ("sentry_trace", "y"), ("SENTRY_BAGGAGE", "a=1")]);
        assert_eq!(carrying.extract(Field::SentryTrace).collect::<Vec<_>>(), [b"x"]);
        assert_eq!(carrying.extract(Field::Baggage).collect::<Vec<_>>(), [b"a=1"]);
        assert_eq!(of(&[("SENTRY_TRACE", "x"), ("SENTRY_TRACE", "")]), Environment::default());
        assert_eq!(of(&[("baggage", "a=1"), ("SENTRY_DSN", "x")]), Environment::default());
    }

    #[test]
    fn inherited_baggage_is_removed_in_any_order() {
        let mut without_baggage = Command::new("true");
        without_baggage.set(Field::SentryTrace, "x");
        let removed = (OsStr::new("SENTRY_BAGGAGE"), None);
        assert!(without_baggage.get_envs().any(|variable| variable == removed));

        for order in [[Field::SentryTrace, Field::Baggage], [Field::Baggage, Field::SentryTrace]] {
            let mut command = Command::new("true");
            for field in order {
                command.set(field, "a=1");
            }
            assert_eq!(command.extract(Field::Baggage).collect::<Vec<_>>(), [b"a=1"]);
        }

        let mut own = Command::new("true");
        own.env("SENTRY_BAGGAGE", "a=1");
        own.set(Field::SentryTrace, "x");
        assert_eq!(own.extract(Field::Baggage).collect::<Vec<_>>(), [b"a=1"]);
    }
}
