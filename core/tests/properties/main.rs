//! Properties that hold for every input, tested with random inputs.
//!
//! A test that fails prints the smallest input that it found, and writes its seed into `regressions.txt`. The next run
//! starts with that seed, so commit the line. `PROPTEST_CASES` sets the number of inputs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod addresses;
mod baggage;
mod headers;
mod numbers;
mod propagation;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use tracehop::wire::{Baggage, SentryTrace};
use tracehop::{SpanId, TraceId};

fn config() -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("tests/properties/regressions.txt");
    ProptestConfig { failure_persistence: Some(Box::new(regressions)), ..ProptestConfig::default() }
}

fn trace_id() -> impl Strategy<Value = TraceId> {
    any::<[u8; 16]>().prop_filter_map("not zero", |bytes| TraceId::from_bytes(bytes).ok())
}

fn span_id() -> impl Strategy<Value = SpanId> {
    any::<[u8; 8]>().prop_filter_map("not zero", |bytes| SpanId::from_bytes(bytes).ok())
}

fn sentry_trace() -> impl Strategy<Value = SentryTrace> {
    (trace_id(), span_id(), any::<Option<bool>>())
        .prop_map(|(trace_id, span_id, sampled)| SentryTrace::new(trace_id, span_id, sampled))
}

/// Parts of well-formed and malformed baggage.
const PIECES: &[&str] = &[
    "sentry-",
    "sentry-org_id",
    "sentry-release",
    "sentry-sample_rand=0.5",
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
    "\0",
    "\r\n",
    "<",
    "p=q",
    ":",
];

/// A line of any content.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(select(PIECES), 0..40).prop_map(|pieces| pieces.concat().into_bytes()),
        1 => vec(any::<u8>(), 0..200),
    ]
}

/// A line of well-formed members, whose names are often equal.
fn tidy_line() -> impl Strategy<Value = Vec<u8>> {
    let names = ["org_id", "release", "a", "b", "ab", "ba", "trace_id", "a1", "b1"];
    let prefix = select(&["sentry-", "sentry-", "sentry-", "other-"][..]);
    let value = select(&["1", "2", "", "%20x", "a%2Fb", "x-y_z"][..]);
    let member = (prefix, select(names.to_vec()), value)
        .prop_map(|(prefix, name, value)| format!("{prefix}{name}={value}"));
    vec(member, 0..20).prop_map(|members| members.join(",").into_bytes())
}

/// Lines of baggage, tidy ones and any others.
fn baggage_lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(prop_oneof![any_line(), tidy_line()], 0..4)
}

fn slices(lines: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    lines.iter().map(Vec::as_slice)
}

/// Whether a text can be a header value.
fn is_header_value(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// Whether a list is within the limits, tidy, and reads as itself.
fn is_tidy(list: &Baggage) -> bool {
    let text = list.as_str();
    list.len() <= 64
        && text.len() <= 8192
        && list.members().count() == list.len()
        && (text.is_empty() || is_header_value(text))
        && !text.contains([' ', '"', '\\'])
        && Baggage::from_lines([text.as_bytes()]) == *list
}
