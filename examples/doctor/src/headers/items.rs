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
        "org_id" if !is_number() => format!("{value:?} is no organisation id, which is a number"),
        "public_key" if value.contains("://") => {
            "it is a whole DSN, and must be only the key in it".to_owned()
        }
        "public_key" | "transaction" if value.is_empty() => "it is empty".to_owned(),
        "release" => refused(value, 200, "latest")?,
        "environment" => refused(value, 64, "none")?,
        "transaction" if value.contains("://") || value.contains('?') => {
            format!("{value:?} is a URL, and must be the pattern of a route")
        }
        _ => return None,
    };
    Some((name, what))
}

/// Returns why Sentry drops a release or an environment. Its ingestion has these rules, and counts bytes.
///
/// See [Naming Releases](https://docs.sentry.io/product/releases/naming-releases/).
fn refused(value: &str, limit: usize, reserved: &str) -> Option<String> {
    let why = if value.trim().is_empty() {
        "is empty".to_owned()
    } else if value.len() > limit {
        format!("has {} bytes, and {limit} are the most", value.len())
    } else if matches!(value, "." | "..") || value.eq_ignore_ascii_case(reserved) {
        "is a reserved word".to_owned()
    } else if value.contains(['/', '\\']) {
        "has a slash".to_owned()
    } else if value.contains(|char: char| char.is_ascii_control()) {
        "has a control character".to_owned()
    } else {
        return None;
    };
    Some(format!("Sentry drops {value:?}: it {why}"))
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

    #[test]
    fn dropped_releases_and_environments_are_explained() {
        let bytes = |n: usize| "é".repeat(n / 2);
        let of_200 = bytes(200);
        for (name, good, reserved, long) in [
            ("release", of_200.as_str(), "Latest", bytes(202)),
            ("environment", &of_200[..64], "None", bytes(66)),
        ] {
            for good in [good, "a b", "a@1.0+2", "latest-1", "none-1", "..."] {
                assert_eq!(problem(name, good), None, "{good}");
            }
            for (bad, why) in [
                ("", "is empty"),
                (" ", "is empty"),
                (reserved, "is a reserved word"),
                (".", "is a reserved word"),
                ("..", "is a reserved word"),
                ("a/b", "has a slash"),
                ("a\\b", "has a slash"),
                ("a\nb", "has a control character"),
                ("a\tb", "has a control character"),
                (&long, "bytes, and"),
            ] {
                let (about, what) = problem(name, bad).unwrap();
                assert_eq!(about, name);
                assert!(what.starts_with("Sentry drops") && what.contains(why), "{what}");
                assert!(!what.contains(char::is_control), "{what}");
            }
        }
    }
}
