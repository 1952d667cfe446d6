//! Explains `traceparent` and `tracestate`, the headers of the W3C and of OpenTelemetry.

use tracehop::wire::{SentryTrace, Traceparent, Tracestate};

use super::{decision, text, with_causes};
use crate::Report;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

pub(super) fn explain(
    parents: &[&[u8]],
    states: &[&[u8]],
    sentry_trace: Option<SentryTrace>,
    report: &mut Report,
) {
    let parent = match Traceparent::parse_lines(parents.iter().copied()) {
        Ok(parent) => parent,
        Err(error) => {
            for line in parents {
                report.part(PARENT, "", text(line), "unreadable");
            }
            report.wrong(
                PARENT,
                with_causes(&error),
                "Services that read it start a new trace. See https://www.w3.org/TR/trace-context-2/.",
            );
            None
        }
    };
    if let Some(parent) = parent {
        parts(parent, parents, report);
        compare(parent, sentry_trace, report);
    }
    match Tracestate::parse_lines(states.iter().copied()) {
        Ok(None) => (),
        Ok(Some(state)) => {
            report.part(STATE, "", state.as_str(), "data of other vendors, beside traceparent");
            if parents.is_empty() {
                report.note(
                    STATE,
                    "there is no traceparent beside it",
                    "Without it, tracestate means nothing.",
                );
            }
        }
        Err(error) => {
            report.part(STATE, "", text(&states.join(&b", "[..])), "unreadable");
            report.wrong(STATE, with_causes(&error), "Receivers drop the whole list.");
        }
    }
}

fn parts(parent: Traceparent, lines: &[&[u8]], report: &mut Report) {
    let line = lines.first().copied().unwrap_or_default();
    let version = text(line.get(..2).unwrap_or_default());
    report.part(PARENT, "version", version, "the version of the format");
    report.part(PARENT, "trace id", parent.trace_id, "the trace that the request belongs to");
    report.part(PARENT, "parent id", parent.parent_id, "the caller's span");
    let flags = text(line.get(53..55).unwrap_or_default());
    let meaning = if parent.sampled { "sampled" } else { "not sampled, or deferred" };
    report.part(PARENT, "flags", flags, meaning);
}

fn compare(parent: Traceparent, sentry_trace: Option<SentryTrace>, report: &mut Report) {
    let Some(sentry_trace) = sentry_trace else {
        report.note(
            PARENT,
            "there is no readable sentry-trace beside it",
            "Only services with continue_traceparent, or of other vendors, continue the trace from it.",
        );
        return;
    };
    if parent.trace_id != sentry_trace.trace_id {
        report.wrong(
            "trace ids",
            format!("sentry-trace has trace {}, traceparent has another trace", sentry_trace.trace_id),
            "Two tracers write the headers. Let one of them write both, as propagate_traceparent does.",
        );
    } else if parent.parent_id != sentry_trace.span_id {
        report.note(
            PARENT,
            "it has another span of the trace than sentry-trace",
            "Fine if another tracer records that span.",
        );
    } else if parent.sampled != (sentry_trace.sampled == Some(true)) {
        report.note(
            PARENT,
            format!("its flag differs from sentry-trace: {}", decision(sentry_trace.sampled)),
            "Fine if another tracer made its own decision.",
        );
    } else {
        report.good(PARENT, "has the same trace, span and decision as sentry-trace");
    }
}
