//! Baggage put together at random: what is read in a fast way must be what is read in the plain one.

use std::collections::BTreeSet;

use fastrand::Rng;
use tracehop::{DynamicSamplingContext, Propagator};

use crate::{SPAN_ID, TRACE_ID};

const PIECES: &[&str] = &[
    "sentry-",
    "sentry-org_id",
    "sentry-release",
    "sentry-a",
    "sentry-b",
    "SENTRY-a",
    "other",
    "org_id",
    "=",
    "=",
    "=",
    ",",
    ",",
    ",",
    ";",
    " ",
    "\t",
    "1",
    "2",
    "x",
    "%2F",
    "%2f",
    "%C3%A9",
    "%C3",
    "%zz",
    "%",
    "\"",
    "\\",
    "/",
    "é",
    "\u{0}",
    "p=q",
    ":",
    "",
];

fn line(random: &mut Rng) -> String {
    (0..random.usize(..40)).map(|_| PIECES[random.usize(..PIECES.len())]).collect()
}

/// Nothing but well-formed members, with names that often come again.
fn tidy_line(random: &mut Rng) -> String {
    let member = |random: &mut Rng| {
        let prefix = ["sentry-", "sentry-", "sentry-", "other-"][random.usize(..4)];
        let names = ["org_id", "release", "a", "b", "ab", "ba", "trace_id"];
        let name = names[random.usize(..names.len())];
        let value = ["1", "2", "", "%20x", "a%2Fb", "x-y_z"][random.usize(..6)];
        format!("{prefix}{name}{}={value}", ["", "", "1"][random.usize(..3)])
    };
    (0..random.usize(..20)).map(|_| member(random)).collect::<Vec<_>>().join(",")
}

fn dsc(lines: &[String]) -> DynamicSamplingContext {
    DynamicSamplingContext::from_baggage(lines.iter().map(|line| line.as_bytes()))
}

#[test]
fn plain_lines_are_read_as_lines_that_have_to_be_tidied() {
    let mut random = Rng::with_seed(20_240_229);
    let ours = Propagator::builder().org_id(1).build().unwrap();
    for round in 0..20_000 {
        let make = if round % 2 == 0 { tidy_line } else { line };
        let lines: Vec<String> = (0..random.usize(1..4)).map(|_| make(&mut random)).collect();
        let read = dsc(&lines);
        let names: BTreeSet<&str> = read.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), read.as_baggage().len(), "{lines:?}");
        // A blank makes a line one that is not taken over as it is.
        let blanks: Vec<String> = lines.iter().map(|line| format!(" {line}")).collect();
        assert_eq!(read, dsc(&blanks), "{lines:?}");
        assert_eq!(read, dsc(&[lines.join(",")]), "{lines:?}");
        assert_eq!(read, dsc(&[read.as_str().to_owned()]), "{lines:?}");

        // The organisation is looked for by itself.
        let mut headers = vec![("sentry-trace", format!("{TRACE_ID}-{SPAN_ID}"))];
        headers.extend(lines.into_iter().map(|line| ("baggage", line)));
        let continued = ours.continue_trace(&headers).is_continued();
        assert_eq!(continued, read.org_id().is_none_or(|id| id == "1"), "{headers:?}");
    }
}
