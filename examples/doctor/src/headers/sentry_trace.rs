use tracehop::wire::SentryTrace;

use super::{decision, text, with_causes};
use crate::Report;

const ABOUT: &str = "sentry-trace";

/// Explains the lines of a `sentry-trace` header.
pub(super) fn explain(lines: &[&[u8]], report: &mut Report) -> Option<SentryTrace> {
    let [first, ..] = lines else {
        report.wrong(
            ABOUT,
            "there is no sentry-trace header",
            "Check that the caller propagates traces, that this URL is one of its trace_propagation_targets, and that \
             proxies let the header through. From a browser, check that the preflight allows it.",
        );
        return None;
    };
    let value = match SentryTrace::parse_lines(lines.iter().copied()) {
        Ok(None) => {
            report.wrong(
                ABOUT,
                "the sentry-trace header is empty",
                "Services read an empty value as none, and begin a new trace. Check what writes it: a proxy that sets \
                 the header from a variable sends an empty one where there is no value.",
            );
            return None;
        }
        Ok(Some(value)) => value,
        Err(error) => {
            for line in lines {
                report.part(ABOUT, "", text(line), "unreadable");
            }
            report.wrong(
                ABOUT,
                with_causes(&error),
                "Services cannot continue this trace. The value is <trace id>-<span id>-<1 or 0>, with 32 and 16 lower \
                 case hex digits. Without a decision, leave the last part out.",
            );
            return None;
        }
    };
    report.part(ABOUT, "trace id", value.trace_id, "the trace that the request belongs to");
    report.part(ABOUT, "span id", value.span_id, "the caller's span: the receiver's parent");
    let meaning = match value.sampled {
        Some(true) => "sampled: the caller's service records the trace",
        Some(false) => "not sampled: the caller's service does not record the trace",
        None => "deferred: the next service that samples decides",
    };
    let sampled = value.sampled.map(|sampled| u8::from(sampled).to_string());
    report.part(ABOUT, "sampled", sampled.unwrap_or_default(), meaning);

    let is_upper = first.iter().any(u8::is_ascii_uppercase);
    if is_upper {
        report.wrong(
            ABOUT,
            "the ids are in upper case",
            "Write them in lower case: some SDKs do not read upper case.",
        );
    }
    if lines.len() > 1 {
        report.wrong(
            ABOUT,
            format!("there are {} lines with the same value", lines.len()),
            "Two parts of the caller write it, such as an SDK and the application. Remove one of them: some SDKs do \
             not read several lines.",
        );
    }
    if !is_upper && lines.len() == 1 {
        let decision = decision(value.sampled);
        report.good(ABOUT, format!("well-formed, and the decision is: {decision}"));
    }
    Some(value)
}
