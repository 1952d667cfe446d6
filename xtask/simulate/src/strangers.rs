//! Services without the library, which read and write the text of headers.

use fastrand::Rng;

use crate::headers::{Headers, add, lines, only, remove};

/// New ids of a service without the library.
#[derive(Debug, Clone)]
pub(crate) struct Fresh {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
}

impl Fresh {
    pub(crate) fn new(random: &mut Rng) -> Self {
        Self {
            trace_id: format!("{:032x}", random.u128(1..)),
            span_id: format!("{:016x}", random.u64(1..)),
        }
    }
}

/// How a hostile service changes the headers that it hands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    Truncate,
    Zero,
    Conflict,
    Noise,
    DropSentryTrace,
    UpperCase,
    Lie,
    Foreign,
    Malformed,
    Inject,
    Repeat,
    Flood,
    Oversize,
    Strip,
    BadRand,
    OtherOrganisation,
    OtherTrace,
    LongTracestate,
}

pub(crate) const TRICKS: [Trick; 18] = [
    Trick::Truncate,
    Trick::Zero,
    Trick::Conflict,
    Trick::Noise,
    Trick::DropSentryTrace,
    Trick::UpperCase,
    Trick::Lie,
    Trick::Foreign,
    Trick::Malformed,
    Trick::Inject,
    Trick::Repeat,
    Trick::Flood,
    Trick::Oversize,
    Trick::Strip,
    Trick::BadRand,
    Trick::OtherOrganisation,
    Trick::OtherTrace,
    Trick::LongTracestate,
];

/// The number of members in a flood, many more than a list may have.
pub(crate) const FLOOD: usize = 200;

/// Hands on only the trace and its decision.
pub(crate) fn old_sdk(received: &Headers, decision: Option<bool>, fresh: &Fresh) -> Headers {
    let first = lines(received, "sentry-trace").next();
    let value = match first.and_then(parts) {
        Some((trace_id, _, decision)) => format!("{trace_id}-{}{decision}", fresh.span_id),
        None => {
            let decision = decision.map_or("", |sampled| if sampled { "-1" } else { "-0" });
            format!("{}-{}{decision}", fresh.trace_id, fresh.span_id)
        }
    };
    vec![("sentry-trace".to_owned(), value.into())]
}

/// Splits a `sentry-trace` into both ids and the decision with its dash.
fn parts(value: &[u8]) -> Option<(String, String, String)> {
    let value = std::str::from_utf8(value).ok()?.to_ascii_lowercase();
    let (trace_id, rest) = (value.get(..32)?, value.get(32..)?);
    let (span_id, decision) = (rest.strip_prefix('-')?.get(..16)?, rest.get(17..)?);
    let is_id = |id: &str| {
        id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0')
    };
    (is_id(trace_id) && is_id(span_id) && ["", "-0", "-1"].contains(&decision))
        .then(|| (trace_id.to_owned(), span_id.to_owned(), decision.to_owned()))
}

/// Hands on `traceparent` and `tracestate`, with its own span and member.
pub(crate) fn open_telemetry(received: &Headers, index: usize, fresh: &Fresh) -> Headers {
    let mut states = vec![format!("otel=s{index}")];
    let (trace_id, flags) = match only(received, "traceparent") {
        Some(value) => {
            let members = only(received, "tracestate").unwrap_or_default().split(',');
            let members: Vec<&str> = members.filter(|it| !it.is_empty()).collect();
            if members.len() <= 32 {
                let others = members.iter().filter(|member| !member.starts_with("otel="));
                states.extend(others.map(|member| (*member).to_owned()));
            }
            (value[3..35].to_owned(), value[53..].to_owned())
        }
        None => (fresh.trace_id.clone(), "01".to_owned()),
    };
    let mut sent = Headers::new();
    add(&mut sent, "traceparent", format!("00-{trace_id}-{}-{flags}", fresh.span_id));
    add(&mut sent, "tracestate", states.join(","));
    sent
}

/// Hands on all headers, changed by a trick. Without an incoming trace it makes one up.
pub(crate) fn hostile(
    received: &Headers,
    trick: Trick,
    fresh: &Fresh,
    random: &mut Rng,
) -> Headers {
    let mut sent = received.clone();
    if lines(&sent, "sentry-trace").next().is_none() {
        add(&mut sent, "sentry-trace", format!("{}-{}", fresh.trace_id, fresh.span_id));
    }
    match trick {
        Trick::Truncate => each_line(&mut sent, "sentry-trace", |value| {
            value.truncate(value.len().saturating_sub(4));
        }),
        Trick::Zero => each_line(&mut sent, "sentry-trace", |value| {
            *value = format!("{}-{}-1", "0".repeat(32), fresh.span_id).into();
        }),
        Trick::Conflict => {
            add(&mut sent, "sentry-trace", format!("{}-c0ffee0000000000", fresh.trace_id));
        }
        Trick::Noise => {
            for name in ["sentry-trace", "baggage"] {
                remove(&mut sent, name);
                let noise = (0..random.usize(..300)).map(|_| random.u8(..));
                add(&mut sent, name, [0xff].into_iter().chain(noise).collect::<Vec<_>>());
            }
        }
        Trick::DropSentryTrace => remove(&mut sent, "sentry-trace"),
        Trick::UpperCase => {
            each_line(&mut sent, "sentry-trace", |value| value.make_ascii_uppercase())
        }
        Trick::Lie => each_line(&mut sent, "sentry-trace", |value| {
            if let Some((trace_id, span_id, decision)) = parts(value) {
                let lie = if decision == "-1" { "-0" } else { "-1" };
                *value = format!("{trace_id}-{span_id}{lie}").into();
            }
        }),
        Trick::Foreign => {
            sent.insert(0, ("baggage".to_owned(), b"theirs=1 ,\tother = 2;p".to_vec()));
            add(&mut sent, "baggage", ",,Sentry-release=3,sentry=4");
        }
        Trick::Malformed => {
            let members =
                b"sentry-bad=%zz,sentry-control=\x01,sentry-\xff=1,=v,sentry-=v,sentry-none";
            add(&mut sent, "baggage", *members);
        }
        Trick::Inject => add(&mut sent, "baggage", "sentry-release=1\r\nevil: 1"),
        Trick::Repeat => {
            add(&mut sent, "baggage", "sentry-environment=first,sentry-environment=last")
        }
        Trick::Flood => {
            let flood: Vec<_> = (0..FLOOD).map(|n| format!("sentry-flood{n}=v")).collect();
            let flood = flood.join(",");
            if !lines(&sent, "baggage").any(|line| line == flood.as_bytes()) {
                add(&mut sent, "baggage", flood);
            }
        }
        Trick::Oversize => {
            add(&mut sent, "baggage", format!("sentry-huge={}", "x".repeat(9_000)));
        }
        Trick::Strip => remove(&mut sent, "baggage"),
        Trick::BadRand => set_item(&mut sent, "sample_rand", "7", false),
        Trick::OtherOrganisation => set_item(&mut sent, "org_id", "666", true),
        Trick::OtherTrace => set_item(&mut sent, "trace_id", &fresh.trace_id, true),
        Trick::LongTracestate => {
            remove(&mut sent, "tracestate");
            let members: Vec<_> = (0..40).map(|n| format!("k{n}=v")).collect();
            add(&mut sent, "tracestate", members.join(","));
        }
    }
    sent
}

fn each_line(headers: &mut Headers, name: &str, change: impl Fn(&mut Vec<u8>)) {
    headers.iter_mut().filter(|(known, _)| known == name).for_each(|(_, value)| change(value));
}

/// Sets the value of an item where it stands. If it is missing, `adds` says whether it is added.
fn set_item(headers: &mut Headers, name: &str, value: &str, adds: bool) {
    let key = format!("sentry-{name}=");
    for (_, line) in headers.iter_mut().filter(|(known, _)| known == "baggage") {
        let mut members: Vec<Vec<u8>> =
            line.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect();
        if let Some(member) = members.iter_mut().find(|it| it.starts_with(key.as_bytes())) {
            *member = format!("{key}{value}").into();
            *line = members.join(&b',');
            return;
        }
    }
    if adds {
        add(headers, "baggage", format!("{key}{value}"));
    }
}
