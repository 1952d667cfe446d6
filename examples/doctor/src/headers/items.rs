//! The items of the
//! [dynamic sampling context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/),
//! and what may be in them.

use std::fmt::Display;

use tracehop::{SampleRand, SampleRate, TraceId};

/// The items that are known, and what they say.
const ITEMS: [(&str, &str); 11] = [
    ("trace_id", "the trace that all items are about"),
    ("public_key", "the key in the DSN of the service that began the trace"),
    ("sample_rate", "the share of traces that are sampled, where it was decided"),
    ("sample_rand", "the trace's random number, which every rate is compared with"),
    ("sampled", "what the service that began the trace decided"),
    ("release", "the release of the service that began the trace"),
    ("environment", "the environment of the service that began the trace"),
    ("transaction", "the route with which the trace began"),
    ("org_id", "the Sentry organisation that the trace belongs to"),
    ("replay_id", "the session replay that the trace was recorded in"),
    ("user_segment", "the segment of the user for whom the trace began"),
];

fn known(name: &str) -> Option<(&'static str, &'static str)> {
    ITEMS.into_iter().find(|(known, _)| *known == name)
}

/// What an item says.
pub(super) fn meaning(name: &str) -> &'static str {
    known(name).map_or("not known here: is handed on as it is", |(_, meaning)| meaning)
}

/// Why an item is not what its name says, with that name.
pub(super) fn problem(name: &str, value: &str) -> Option<(&'static str, String)> {
    let (name, _) = known(name)?;
    let is_number = || !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let what = match name {
        // A replay's id has as many digits as a trace's, and is as random.
        "trace_id" | "replay_id" => unreadable(value, value.parse::<TraceId>())?,
        "sample_rate" => unreadable(value, value.parse::<SampleRate>())?,
        "sample_rand" => unreadable(value, value.parse::<SampleRand>())?,
        "sampled" if !matches!(value, "true" | "false") => {
            format!("it is {value:?}, and not true or false")
        }
        "org_id" if !is_number() => format!("{value:?} is not the number of an organisation"),
        "public_key" if value.contains("://") => {
            "it is a whole DSN, and not the key in it".to_owned()
        }
        "public_key" | "release" | "environment" | "transaction" if value.is_empty() => {
            "it is empty".to_owned()
        }
        "release" if value.chars().count() > 200 => {
            "Sentry keeps no release of more than 200 characters".to_owned()
        }
        "environment" if value.chars().count() > 64 => {
            "Sentry keeps no environment of more than 64 characters".to_owned()
        }
        "transaction" if value.contains("://") || value.contains('?') => {
            format!("{value:?} is a URL, and not the pattern of a route")
        }
        _ => return None,
    };
    Some((name, what))
}

fn unreadable<T, E: Display>(value: &str, read: Result<T, E>) -> Option<String> {
    read.err().map(|error| format!("{value:?}: {error}"))
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
