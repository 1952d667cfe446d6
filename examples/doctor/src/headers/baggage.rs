use std::collections::BTreeSet;

use tracehop::DynamicSamplingContext;
use tracehop::wire::{Baggage, BaggageErrorKind, BaggageMember, BaggageMembers, SentryTrace};

use super::{decision, items};
use crate::Report;

const ABOUT: &str = "baggage";

/// Explains the lines of a `baggage` header, as far as they are Sentry's.
pub(super) fn explain(lines: &[&[u8]], sentry_trace: Option<SentryTrace>, report: &mut Report) {
    if lines.is_empty() {
        report.wrong(
            ABOUT,
            "there is no baggage header",
            "Without the dynamic sampling context services and Sentry cannot decide alike. Send the header along \
             with sentry-trace, and see that proxies and preflights allow it.",
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
            "it has no sentry- member that can be read",
            "The dynamic sampling context is lost. If the caller has baggage of its own, Sentry's goes behind it.",
        );
        return;
    }
    for (name, value) in dsc.iter() {
        if let Some((item, problem)) = items::problem(name, &value) {
            report.wrong(
                item,
                problem,
                "The service that began the trace wrote it so: mend it there.",
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

/// What is wrong with members as they are written.
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
                "Keys are compared as they are: this is somebody else's member, and is not handed on. Write \
                 `sentry-`.",
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
            "The last counts. Two parts of the caller write baggage, such as an SDK and code of its own: take one \
             of them out.",
        );
    }
    if !foreign.is_empty() {
        report.note(
            ABOUT,
            format!("it has members that are not Sentry's: {}", foreign.join(", ")),
            "Fine if the caller set them itself. If they came with a request to the caller, it must not pass them on: \
             they are for the one who was asked, and may be private.",
        );
    }
    let bytes = lines.iter().map(|line| line.len()).sum::<usize>() + lines.len() - 1;
    if count > Baggage::MAX_MEMBERS || bytes > Baggage::MAX_BYTES {
        report.wrong(
            "limits",
            format!("the baggage has {count} members and {bytes} bytes"),
            "What is behind the first 64 members and 8192 bytes gets lost on the way. Send less baggage of your own.",
        );
    } else {
        let (members, limit) = (Baggage::MAX_MEMBERS, Baggage::MAX_BYTES);
        report.good("limits", format!("{count} of {members} members, {bytes} of {limit} bytes"));
    }
}

fn advice(kind: BaggageErrorKind) -> &'static str {
    match kind {
        BaggageErrorKind::NoValue => "A member is key=value; a comma in a value is written %2C.",
        BaggageErrorKind::Key => "A key is made of letters, digits and !#$%&'*+-.^_`|~.",
        BaggageErrorKind::Value | BaggageErrorKind::Property => {
            "Write all but ASCII letters, digits and -._~ of a value as UTF-8 bytes in the form %20."
        }
        BaggageErrorKind::Encoding => {
            "Write a plain % as %25, and other characters as UTF-8 bytes."
        }
        _ => "See https://www.w3.org/TR/baggage/.",
    }
}

/// What is read here, and may not be elsewhere.
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
            "Encode a value once, and hand on as it is what arrived.",
        );
    }
}

fn trace_id(dsc: &DynamicSamplingContext, sentry_trace: Option<SentryTrace>, report: &mut Report) {
    const ABOUT: &str = "trace ids";
    match (dsc.get("trace_id"), dsc.trace_id(), sentry_trace) {
        (None, ..) => report.wrong(
            ABOUT,
            "the dynamic sampling context has no trace_id",
            "Sentry leaves such a context aside. Send the one that the trace began with, whole.",
        ),
        (_, Some(theirs), Some(SentryTrace { trace_id, .. })) if theirs != trace_id => report.wrong(
            ABOUT,
            format!("sentry-trace is of {trace_id}, the baggage of another trace, {theirs}"),
            "Take both headers from the same trace: one of them was left from another request, or from the page.",
        ),
        (_, Some(_), Some(_)) => report.good(ABOUT, "sentry-trace and baggage are of one trace"),
        // That it is malformed, or that there is no sentry-trace, was said.
        _ => (),
    }
}

/// Where one service wrote both, `sampled` is whether `sample_rand` is less than `sample_rate`.
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
            "Fine if a service on the way has a sampler of its own, which sets sample_rate.",
        );
    } else {
        report.wrong(
            ABOUT,
            format!("sampled is {sampled}, and sample_rand {numbers}"),
            "Decide by these two numbers, and by nothing else: sampled is sample_rand < sample_rate.",
        );
    }
}

fn missing(dsc: &DynamicSamplingContext, report: &mut Report) {
    if dsc.get("sample_rand").is_none() {
        report.note(
            "sample_rand",
            "the dynamic sampling context has none",
            "The trace was begun by an old SDK. Receivers make one, and each may make another.",
        );
    }
    if dsc.get("public_key").is_none() {
        report.note(
            "public_key",
            "the dynamic sampling context has none",
            "Set the DSN where the trace begins: Sentry finds the project's rules by its key.",
        );
    }
    if dsc.sampled().is_some() && dsc.get("sample_rate").is_none() {
        report.note(
            "sample_rate",
            "there is a decision, and no rate that it was made by",
            "Sentry counts traces by the rate. Send it where the trace begins.",
        );
    }
}
