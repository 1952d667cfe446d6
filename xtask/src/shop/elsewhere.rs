//! Where services send envelopes in addition to the collector.

use std::process::Command;

const DSN: &str = "SENTRY_DSN";
const SPOTLIGHT: &str = "SENTRY_SPOTLIGHT";

/// The variables of the environment that name further receivers. Services read them as the SDKs do.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    dsn: Option<String>,
    spotlight: Option<String>,
}

impl Elsewhere {
    pub(crate) fn of_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self { dsn: variable(DSN), spotlight: variable(SPOTLIGHT) }
    }

    /// Sets these variables for a service, which reads its environment, and removes those that are absent here.
    pub(crate) fn apply_to(&self, command: &mut Command) {
        for (name, value) in [(DSN, &self.dsn), (SPOTLIGHT, &self.spotlight)] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }

    /// Returns where to look for the trace, a line each.
    pub(crate) fn about(&self, trace_id: &str) -> Vec<String> {
        let project = self.dsn.as_ref().map(|_| {
            format!("sent to the project of {DSN} as well: look for trace {trace_id} there")
        });
        let spotlight = self.spotlight.as_deref().filter(|value| !is_no(value));
        let spotlight =
            spotlight.map(|value| format!("offered to Spotlight ({SPOTLIGHT}={value})"));
        project.into_iter().chain(spotlight).collect()
    }
}

/// Whether the variable says that there is no Spotlight, as
/// [the SDKs](https://develop.sentry.dev/sdk/expected-features/spotlight/) read it.
fn is_no(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    ["false", "f", "n", "no", "off", "0"].contains(&value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_named_without_keys() {
        let elsewhere = Elsewhere {
            dsn: Some("https://key@o1.ingest.example/42".to_owned()),
            spotlight: Some("1".to_owned()),
        };
        assert_eq!(
            elsewhere.about("abc"),
            [
                "sent to the project of SENTRY_DSN as well: look for trace abc there",
                "offered to Spotlight (SENTRY_SPOTLIGHT=1)",
            ]
        );
        assert_eq!(Elsewhere::default().about("abc"), [""; 0]);
    }

    #[test]
    fn unwanted_spotlights_are_not_named() {
        for no in ["false", "0", " Off "] {
            let elsewhere = Elsewhere { dsn: None, spotlight: Some(no.to_owned()) };
            assert_eq!(elsewhere.about("abc"), [""; 0], "{no:?}");
        }
    }

    #[test]
    fn services_get_only_the_given_variables() {
        let mut command = Command::new("x");
        Elsewhere { spotlight: Some("1".to_owned()), dsn: None }.apply_to(&mut command);
        let variables = command.get_envs().collect::<Vec<_>>();
        let spotlight = Some("1".as_ref());
        assert_eq!(variables, [(DSN.as_ref(), None), (SPOTLIGHT.as_ref(), spotlight)]);
    }
}
