//! The items of the
//! [dynamic sampling context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/),
//! and what may be in them.

use tracehop::{SampleRand, SampleRate, TraceId};

/// What an item says.
pub(super) fn meaning(name: &str) -> &'static str {
    match name {
        "trace_id" => "the trace that all items are about",
        "public_key" => "the key in the DSN of the service that began the trace",
        "sample_rate" => "the share of traces that are sampled, where it was decided",
        "sample_rand" => "the trace's random number, which every rate is compared with",
        "sampled" => "what the service that began the trace decided",
        "release" => "the release of the service that began the trace",
        "environment" => "the environment of the service that began the trace",
        "transaction" => "the route with which the trace began",
        "org_id" => "the Sentry organisation that the trace belongs to",
        "replay_id" => "the session replay that the trace was recorded in",
        "user_segment" => "the segment of the user for whom the trace began",
        _ => "not known here: is handed on as it is",
    }
}

/// Why an item is not what its name says, with that name.
pub(super) fn problem(name: &str, value: &str) -> Option<(&'static str, String)> {
    let is_number = |value: &str| !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match name {
        "trace_id" => {
            let error = value.parse::<TraceId>().err()?;
            Some(("trace_id", format!("{value:?}: {error}")))
        }
        "replay_id" => {
            // As many digits as a trace id, and as random.
            let error = value.parse::<TraceId>().err()?;
            Some(("replay_id", format!("{value:?}: {error}")))
        }
        "sample_rate" => {
            let error = value.parse::<SampleRate>().err()?;
            Some(("sample_rate", format!("{value:?}: {error}")))
        }
        "sample_rand" => {
            let error = value.parse::<SampleRand>().err()?;
            Some(("sample_rand", format!("{value:?}: {error}")))
        }
        "sampled" if !matches!(value, "true" | "false") => {
            Some(("sampled", format!("it is {value:?}, and not true or false")))
        }
        "public_key" if value.contains("://") => {
            Some(("public_key", "it is a whole DSN, and not the key in it".to_owned()))
        }
        "public_key" | "release" | "environment" | "transaction" if value.is_empty() => {
            let name = known(name)?;
            Some((name, "it is empty".to_owned()))
        }
        "release" if value.chars().count() > 200 => {
            Some(("release", "Sentry keeps no release of more than 200 characters".to_owned()))
        }
        "environment" if value.chars().count() > 64 => Some((
            "environment",
            "Sentry keeps no environment of more than 64 characters".to_owned(),
        )),
        "transaction" if value.contains("://") || value.contains('?') => {
            Some(("transaction", format!("{value:?} is a URL, and not the pattern of a route")))
        }
        "org_id" if !is_number(value) => {
            Some(("org_id", format!("{value:?} is not the number of an organisation")))
        }
        _ => None,
    }
}

fn known(name: &str) -> Option<&'static str> {
    ["public_key", "release", "environment", "transaction"].into_iter().find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_held_against_what_its_name_says() {
        let long = "x".repeat(201);
        for (name, good, bad) in [
            ("trace_id", "771a43a4192642f0b136d5159a501700", "771a"),
            ("replay_id", "771a43a4192642f0b136d5159a501700", ""),
            ("sample_rate", "1e-5", "0,5"),
            ("sample_rand", "0.9999999", "1.000000"),
            ("sampled", "false", "1"),
            ("public_key", "abc", ""),
            ("public_key", "abc", "https://abc@o1.example/1"),
            ("release", "shop@1.4.0", &long),
            ("environment", "production", &long),
            ("transaction", "GET /users/{id}", "https://example.com/users/7"),
            ("org_id", "123", "acme"),
        ] {
            assert_eq!(problem(name, good), None);
            assert_eq!(problem(name, bad).map(|(about, _)| about), Some(name), "{bad:?}");
        }
        assert_eq!(problem("new", ""), None);
    }
}
