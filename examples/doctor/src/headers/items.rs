//! The items of the
//! [dynamic sampling context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/),
//! and the values that they may have.

use std::fmt::Display;

use tracehop::{SampleRand, SampleRate, TraceId};

/// The known items and their meaning.
const ITEMS: [(&str, &str); 11] = [
    ("trace_id", "the trace that the items belong to"),
    ("public_key", "the key in the DSN of the head of the trace"),
    ("sample_rate", "the share of traces that are sampled, at the service that decided"),
    ("sample_rand", "the random number of the trace, which rates are compared with"),
    ("sampled", "the sampling decision of the head of the trace"),
    ("release", "the release of the head of the trace"),
    ("environment", "the environment of the head of the trace"),
    ("transaction", "the transaction at the head of the trace"),
    ("org_id", "the Sentry organisation that the trace belongs to"),
    ("replay_id", "the session replay that the trace belongs to"),
    ("user_segment", "the segment of the user at the head of the trace"),
];

fn known(name: &str) -> Option<(&'static str, &'static str)> {
    ITEMS.into_iter().find(|(known, _)| *known == name)
}

/// Returns the meaning of an item.
pub(super) fn meaning(name: &str) -> &'static str {
    known(name).map_or("unknown item: handed on unchanged", |(_, meaning)| meaning)
}

/// Returns the name of an item and what is wrong with its value; `None` if it is valid or unknown.
pub(super) fn problem(name: &str, value: &str) -> Option<(&'static str, String)> {
    let (name, _) = known(name)?;
    let is_number = || !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let what = match name {
        // The id of a replay has the form of a trace id.
        "trace_id" | "replay_id" => unreadable(value, value.parse::<TraceId>())?,
        "sample_rate" => unreadable(value, value.parse::<SampleRate>())?,
        "sample_rand" => unreadable(value, value.parse::<SampleRand>())?,
        "sampled" if !matches!(value, "true" | "false") => {
            format!("it is {value:?}, and must be true or false")
        }
        "org_id" if !is_number() => format!("{value:?} is not the number of an organisation"),
        "public_key" if value.contains("://") => {
            "it is a whole DSN, and must be only the key in it".to_owned()
        }
        "public_key" | "release" | "environment" | "transaction" if value.is_empty() => {
            "it is empty".to_owned()
        }
        "release" if value.chars().count() > 200 => {
            "Sentry drops a release of more than 200 characters".to_owned()
        }
        "environment" if value.chars().count() > 64 => {
            "Sentry drops an environment of more than 64 characters".to_owned()
        }
        "transaction" if value.contains("://") || value.contains('?') => {
            format!("{value:?} is a URL, and must be the pattern of a route")
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
    fn item_values_are_checked_by_name() {
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
