//! Explains the headers of a request part by part, and finds what is wrong with them.

mod baggage;
mod items;
mod sentry_trace;
mod w3c;

use std::error::Error;

use tracehop::{Extractor, Field};

use crate::Report;

/// Explains the headers of a request, or the values of any other carrier. `subject` is the heading of the report.
pub fn explain(subject: impl Into<String>, headers: &impl Extractor) -> Report {
    let mut report = Report::new(subject);
    let lines = |field| headers.extract(field).collect::<Vec<_>>();
    let sentry_trace = sentry_trace::explain(&lines(Field::SentryTrace), &mut report);
    baggage::explain(&lines(Field::Baggage), sentry_trace, &mut report);
    w3c::explain(&lines(Field::Traceparent), &lines(Field::Tracestate), sentry_trace, &mut report);
    report
}

/// Returns received bytes as text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns an error and its causes in one line.
fn with_causes(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

fn decision(sampled: Option<bool>) -> &'static str {
    match sampled {
        Some(true) => "sampled",
        Some(false) => "not sampled",
        None => "deferred",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Check, Verdict};

    const ID: &str = "771a43a4192642f0b136d5159a501700";

    fn wrong(headers: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let found = explain("", &headers.to_vec()).checks.into_iter();
        found
            .filter(|check| check.verdict == Verdict::Wrong)
            .map(|Check { about, what, .. }| (about, what))
            .collect()
    }

    #[test]
    fn good_headers_pass_all_checks() {
        let items = "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-public_key=key,\
                     sentry-sample_rate=0.5,sentry-sample_rand=0.25,sentry-sampled=true";
        let report = explain(
            "",
            &vec![
                ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1"),
                ("baggage", items),
                ("traceparent", "00-771a43a4192642f0b136d5159a501700-b72fa28504b07285-01"),
                ("tracestate", "a=1"),
            ],
        );
        for check in &report.checks {
            assert_eq!(check.verdict, Verdict::Good, "{check:?}");
        }
        assert_eq!(report.parts.len(), 3 + 5 + 4 + 1);
        assert!(report.parts.iter().all(|part| !part.meaning.is_empty()));
    }

    #[test]
    fn each_mistake_is_reported() {
        let trace = |end: &str| format!("{ID}-b72fa28504b07285{end}");
        let items = |more: &str| {
            format!("sentry-trace_id={ID},sentry-public_key=key,sentry-sample_rand=0.25{more}")
        };
        let sampled = items(",sentry-sample_rate=0.5,sentry-sampled=true");
        let one = trace("-1");
        let upper = one.to_uppercase();
        let many: String = (0..65).map(|n| format!(",sentry-k{n}=1")).collect();
        let long = format!(",sentry-long={}", "x".repeat(8_100));
        // The lines of sentry-trace and of baggage, the subject of the check, and a part of its text.
        let table: &[(&[&str], &[&str], &str, &str)] = &[
            (&[], &[&sampled], "sentry-trace", "no sentry-trace"),
            (&[""], &[&sampled], "sentry-trace", "is empty"),
            (&["", " "], &[&sampled], "sentry-trace", "is empty"),
            (&["1"], &[&sampled], "sentry-trace", "49 to 51 characters, 1 were found"),
            (&[&trace("-2")], &[&sampled], "sentry-trace", "neither 1 nor 0"),
            (&[&upper], &[&sampled], "sentry-trace", "upper case"),
            (&[&one, &one], &[&sampled], "sentry-trace", "2 lines"),
            (&[&one, &trace("-0")], &[&sampled], "sentry-trace", "they differ"),
            (&[&one], &[], "baggage", "no baggage"),
            (&[&one], &["user=1"], "baggage", "no sentry- member"),
            (&[&one], &[&items(",sentry-a=%zz")], "baggage", "not percent-encoded UTF-8"),
            (&[&one], &[&items(",sentry-a=%C3")], "baggage", "not percent-encoded UTF-8"),
            (&[&one], &[&items(",sentry-a=é")], "baggage", "must be percent-encoded"),
            (&[&one], &[&items(",sentry-a=x y")], "baggage", "\"sentry-a\" has a blank"),
            (&[&one], &[&items(",sentry-a=x%2520y")], "baggage", "encoded twice"),
            (&[&one], &[&items(",sentry-a")], "baggage", "no `=`"),
            (&[&one], &[&items(",Sentry-Release=1")], "baggage", "upper case"),
            (&[&one], &[&sampled, &sampled], "baggage", "more than once"),
            (&[&one], &[&items(&many)], "limits", "68 members"),
            (&[&one], &[&items(&long)], "limits", "bytes"),
            (&[&one], &["sentry-sample_rand=0.2"], "trace ids", "no trace_id"),
            (
                &[&one],
                &["sentry-trace_id=0af7651916cd43dd8448eb211c80319c"],
                "trace ids",
                "another trace",
            ),
            (&[&one], &[&items(",sentry-sampled=yes")], "sampled", "\"yes\""),
            (&[&one], &[&items(",sentry-sample_rate=2")], "sample_rate", "from 0 to 1"),
            (
                &[&one],
                &["sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=1"],
                "sample_rand",
                "less than 1",
            ),
            (
                &[&one],
                &[&items(",sentry-sample_rate=0.1,sentry-sampled=true")],
                "decision",
                "0.25 is not less than 0.1",
            ),
            (
                &[&trace("")],
                &[&sampled],
                "decision",
                "deferred, and the dynamic sampling context has one",
            ),
            (
                &[&one],
                &[&items(",sentry-public_key=https://key@example.com/1")],
                "public_key",
                "a whole DSN",
            ),
        ];
        for (sentry_trace, baggage, about, what) in table {
            let mut headers: Vec<_> = sentry_trace.iter().map(|it| ("sentry-trace", *it)).collect();
            headers.extend(baggage.iter().map(|it| ("baggage", *it)));
            let found = wrong(&headers);
            let is_found = found.iter().any(|(a, w)| a == about && w.contains(what));
            assert!(is_found, "{about}, {what}: {found:#?}");
        }
    }

    #[test]
    fn w3c_headers_are_compared_with_sentry_headers() {
        let sentry = [
            ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1"),
            ("baggage", "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.25"),
        ];
        let table: &[(&[(&str, &str)], &str, &str)] = &[
            (
                &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
                "trace ids",
                "another trace",
            ),
            (
                &[("traceparent", "00-771A43A4192642F0B136D5159A501700-b72fa28504b07285-01")],
                "traceparent",
                "lower case",
            ),
            (
                &[("traceparent", "00-771a43a4192642f0b136d5159a501700-0000000000000000-01")],
                "traceparent",
                "must not be all zero",
            ),
            (
                &[
                    ("traceparent", "00-771a43a4192642f0b136d5159a501700-b72fa28504b07285-01"),
                    ("traceparent", "00-771a43a4192642f0b136d5159a501700-b72fa28504b07285-01"),
                ],
                "traceparent",
                "more than one",
            ),
            (&[("tracestate", "A=1")], "tracestate", "key of member 0"),
        ];
        for (more, about, what) in table {
            let found = wrong(&[&sentry[..], more].concat());
            let is_found = found.iter().any(|(a, w)| a == about && w.contains(what));
            assert!(is_found && found.len() == 1, "{about}, {what}: {found:#?}");
        }
    }

    #[test]
    fn replaced_sample_rate_is_only_a_note() {
        let report = explain(
            "",
            &vec![
                ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-0"),
                (
                    "baggage",
                    "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-public_key=key,\
                     sentry-sample_rand=0.25,sentry-sample_rate=0.1,sentry-sampled=true,user=1",
                ),
            ],
        );
        assert!(report.is_fine(), "{report:#?}");
        for about in ["decision", "baggage"] {
            let is_noted = |check: &Check| check.about == about && check.verdict == Verdict::Note;
            assert!(report.checks.iter().any(is_noted), "{report:#?}");
        }
    }
}
