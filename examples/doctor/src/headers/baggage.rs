use std::collections::BTreeSet;

use tracehop::DynamicSamplingContext;
use tracehop::wire::{Baggage, BaggageErrorKind, BaggageMember, BaggageMembers, SentryTrace};

use super::{decision, items};
use crate::Report;

const ABOUT: &str = "baggage";

/// Explains the members of Sentry in the lines of a `baggage` header.
pub(super) fn explain(lines: &[&[u8]], sentry_trace: Option<SentryTrace>, report: &mut Report) {
    if lines.is_empty() {
        report.wrong(
            ABOUT,
            "there is no baggage header",
            "Without the dynamic sampling context, services and Sentry may decide differently. Send the header with \
             sentry-trace, and check that proxies and preflights allow it.",
        );
        return;
    }
    let findings = report.checks.len();
    members(lines, report);
    let dsc = DynamicSamplingContext::from_baggage(lines.iter().copied());
    for (name, value) in dsc.iter() {
        report.part(ABOUT, &format!("sentry-{name}"), value, items::meaning(name));
    }
    if dsc.is_empty() {
        report.wrong(
            ABOUT,
            "it has no sentry- member that is readable",
            "The dynamic sampling context is lost. If the caller has baggage of its own, append the sentry- members.",
        );
        return;
    }
    for (name, value) in dsc.iter() {
        if let Some((item, problem)) = items::problem(name, &value) {
            report.wrong(
                item,
                problem,
                "The head of the trace wrote this value: correct it there.",
            );
        }
    }
    trace_id(&dsc, sentry_trace, report);
    sampling(&dsc, sentry_trace, report);
    missing(&dsc, report);
    if report.checks[findings..].iter().all(|check| check.about != ABOUT) {
        let items = dsc.as_baggage().len();
        report.good(ABOUT, format!("{items} items, well-formed"));
    }
}

/// Checks how the members are written.
fn members(lines: &[&[u8]], report: &mut Report) {
    let (mut count, mut foreign) = (0, Vec::new());
    let (mut keys, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for member in lines.iter().copied().flat_map(BaggageMembers::new) {
        count += 1;
        let member = match member {
            Ok(member) => member,
            Err(error) => {
                report.wrong(ABOUT, error.to_string(), advice(error.kind()));
                continue;
            }
        };
        let key = member.key();
        if member.sentry_name().is_some() {
            spelling(&member, report);
            if !keys.insert(key) {
                repeated.insert(key);
            }
        } else if key.to_ascii_lowercase().starts_with("sentry-") {
            report.wrong(
                ABOUT,
                format!("the prefix of {key:?} is in upper case"),
                "Keys are case-sensitive: this member is not Sentry's, and is not handed on. Write `sentry-`.",
            );
        } else {
            foreign.push(key);
            report.part(ABOUT, key, member.value(), "not Sentry's: is not handed on");
        }
    }
    if !repeated.is_empty() {
        let keys = repeated.into_iter().collect::<Vec<_>>().join(", ");
        report.wrong(
            ABOUT,
            format!("it has {keys} more than once"),
            "The last one counts. Two parts of the caller write baggage, such as an SDK and the application: remove \
             one of them.",
        );
    }
    if !foreign.is_empty() {
        report.note(
            ABOUT,
            format!("it has members that are not Sentry's: {}", foreign.join(", ")),
            "Fine if the caller set them itself. If they were part of a request to the caller, it must not hand them \
             on: they may be private.",
        );
    }
    let bytes = lines.iter().map(|line| line.len()).sum::<usize>() + lines.len() - 1;
    if count > Baggage::MAX_MEMBERS || bytes > Baggage::MAX_BYTES {
        report.wrong(
            "limits",
            format!("the baggage has {count} members and {bytes} bytes"),
            "Members after the first 64, or after 8192 bytes, are lost on the way. Send less baggage of your own.",
        );
    } else {
        let (members, limit) = (Baggage::MAX_MEMBERS, Baggage::MAX_BYTES);
        report.good("limits", format!("{count} of {members} members, {bytes} of {limit} bytes"));
    }
}

fn advice(kind: BaggageErrorKind) -> &'static str {
    match kind {
        BaggageErrorKind::NoValue => {
            "A member has the form key=value. Write a comma in a value as %2C."
        }
        BaggageErrorKind::Key => "A key consists of letters, digits and !#$%&'*+-.^_`|~.",
        BaggageErrorKind::Value | BaggageErrorKind::Property => {
            "In a value, percent-encode the UTF-8 bytes of all but ASCII letters, digits and -._~."
        }
        BaggageErrorKind::Encoding => {
            "Write a % as %25, and other characters as percent-encoded UTF-8 bytes."
        }
        _ => "See https://www.w3.org/TR/baggage/.",
    }
}

/// Checks spellings that this library reads and others may not.
fn spelling(member: &BaggageMember<'_>, report: &mut Report) {
    let key = member.key();
    let plain = [(' ', "a blank"), ('\t', "a tab"), ('"', "a quote"), ('\\', "a backslash")];
    for (_, name) in plain.into_iter().filter(|(char, _)| member.raw_value().contains(*char)) {
        report.wrong(
            ABOUT,
            format!("the value of {key:?} has {name} that is not percent-encoded"),
            advice(BaggageErrorKind::Value),
        );
    }
    let value = member.value();
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = value.as_bytes();
    let is_encoded = |at: usize| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2));
    if value.match_indices('%').any(|(at, _)| is_encoded(at)) {
        report.wrong(
            ABOUT,
            format!("the value of {key:?} seems to be encoded twice: decoded, it is {value:?}"),
            "Encode a value once, and hand on received values unchanged.",
        );
    }
}

fn trace_id(dsc: &DynamicSamplingContext, sentry_trace: Option<SentryTrace>, report: &mut Report) {
    const ABOUT: &str = "trace ids";
    match (dsc.get("trace_id"), dsc.trace_id(), sentry_trace) {
        (None, ..) => report.wrong(
            ABOUT,
            "the dynamic sampling context has no trace_id",
            "Sentry ignores such a context. Hand on the one of the head of the trace, complete.",
        ),
        (_, Some(theirs), Some(SentryTrace { trace_id, .. })) if theirs != trace_id => report.wrong(
            ABOUT,
            format!("sentry-trace has trace {trace_id}, baggage has another trace, {theirs}"),
            "Services with this library use sentry-trace, and none of the sentry- members. Take both headers from the \
             same trace. One of them may be a leftover of another request or of the page.",
        ),
        (_, Some(_), Some(_)) => report.good(ABOUT, "sentry-trace and baggage have the same trace"),
        // A malformed id or a missing sentry-trace is in the report already.
        _ => (),
    }
}

/// Checks the decision against the numbers: `sampled` means that `sample_rand` is less than `sample_rate`.
fn sampling(dsc: &DynamicSamplingContext, sentry_trace: Option<SentryTrace>, report: &mut Report) {
    const ABOUT: &str = "decision";
    let callers = sentry_trace.map(|value| value.sampled);
    if callers == Some(None) && dsc.sampled().is_some() {
        report.wrong(
            ABOUT,
            "in sentry-trace it is deferred, and the dynamic sampling context has one",
            "Send the decision in sentry-trace as well, or leave sampled and sample_rate out.",
        );
        return;
    }
    let (Some(sampled), Some(rate), Some(rand)) =
        (dsc.sampled(), dsc.sample_rate(), dsc.sample_rand())
    else {
        return;
    };
    let by_numbers = rand.is_sampled_at(rate);
    let relation = if by_numbers { "is less than" } else { "is not less than" };
    let numbers = format!("{} {relation} {}", rand.get(), rate.get());
    if by_numbers == sampled {
        let head = decision(Some(sampled));
        report.good(ABOUT, format!("{head}, as sample_rand {numbers}"));
    } else if callers == Some(Some(by_numbers)) {
        report.note(
            ABOUT,
            format!("the head of the trace said sampled={sampled}, and sample_rand {numbers}"),
            "Fine if a service in between has a sampler: it sets sample_rate.",
        );
    } else {
        report.wrong(
            ABOUT,
            format!("sampled is {sampled}, and sample_rand {numbers}"),
            "Decide only by these two numbers: sampled is sample_rand < sample_rate.",
        );
    }
}

fn missing(dsc: &DynamicSamplingContext, report: &mut Report) {
    if dsc.get("sample_rand").is_none() {
        report.note(
            "sample_rand",
            "the dynamic sampling context has none",
            "An old SDK started the trace. Each receiver makes a number of its own, and their decisions may differ.",
        );
    }
    if dsc.get("public_key").is_none() {
        report.note(
            "public_key",
            "the dynamic sampling context has none",
            "Set the DSN at the head of the trace: Sentry finds the rules of the project by its key.",
        );
    }
    if dsc.sampled().is_some() && dsc.get("sample_rate").is_none() {
        report.note(
            "sample_rate",
            "there is a decision, but no rate",
            "Sentry extrapolates counts by the rate. Send it from the head of the trace.",
        );
    }
}
