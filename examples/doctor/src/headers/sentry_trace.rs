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
            "Is the caller instrumented, is this URL one of its trace_propagation_targets, and does a proxy let \
             the header through? From a browser, see that the preflight allows it.",
        );
        return None;
    };
    let value = match SentryTrace::parse_lines(lines.iter().copied()) {
        // There is a line.
        Ok(None) => return None,
        Ok(Some(value)) => value,
        Err(error) => {
            for line in lines {
                report.part(ABOUT, "", text(line), "unreadable");
            }
            report.wrong(
                ABOUT,
                with_causes(&error),
                "Nobody continues this trace. The value is <trace id>-<span id>-<1 or 0>, with 32 and 16 lower \
                 case hex digits, and the decision left out if there is none.",
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
            "Write them in lower case: not every SDK reads them otherwise.",
        );
    }
    if lines.len() > 1 {
        report.wrong(
            ABOUT,
            format!("there are {} lines of it, all alike", lines.len()),
            "Two parts of the caller write it, such as an SDK and code of its own. Take one of them out: not every \
             SDK reads more than one line.",
        );
    }
    if !is_upper && lines.len() == 1 {
        let decision = decision(value.sampled);
        report.good(ABOUT, format!("well-formed, and the decision is: {decision}"));
    }
    Some(value)
}
