//! The trace in a response, compared with the one that was sent.

use scraper::Html;
use tracehop::wire::{BaggageMembers, SentryTrace};
use tracehop::{DynamicSamplingContext, TraceId};

use super::Answer;
use super::page::{meta_tags, server_timing};
use super::sent::Sent;
use crate::Report;

/// The trace in one place of a response.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) place: &'static str,
    /// Has several values if there are several tags.
    sentry_traces: Vec<String>,
    baggages: Vec<String>,
}

impl Seen {
    /// Returns all places of a response that have a trace, in the order in which browsers read them.
    pub(super) fn in_answer(answer: &Answer) -> Vec<Self> {
        let mut places = Vec::new();
        if answer.is_html() {
            let html = Html::parse_document(&answer.body);
            places.push(Self {
                place: "meta tags",
                sentry_traces: meta_tags(&html, "sentry-trace"),
                baggages: meta_tags(&html, "baggage"),
            });
        }
        let lines: Vec<_> = answer.lines("server-timing").map(String::from_utf8_lossy).collect();
        let metric = |name| server_timing(lines.iter().map(|line| &**line), name);
        places.push(Self {
            place: "Server-Timing",
            sentry_traces: metric("sentry-trace").into_iter().collect(),
            baggages: metric("baggage").into_iter().collect(),
        });
        places.retain(|seen| !seen.sentry_traces.is_empty() || !seen.baggages.is_empty());
        places
    }

    pub(super) fn trace_id(&self) -> Option<TraceId> {
        let first: SentryTrace = self.sentry_traces.first()?.parse().ok()?;
        Some(first.trace_id)
    }

    /// Compares the trace with the one that was sent.
    pub(super) fn check(
        &self,
        sent: &Sent,
        again: impl FnOnce() -> Option<TraceId>,
        report: &mut Report,
    ) {
        self.foreign(report);
        if self.sentry_traces.len() > 1 || self.baggages.len() > 1 {
            report.wrong(
                "tags",
                "a meta tag is there more than once",
                "Browsers read the first tag. Render the tags in one place, such as the base template.",
            );
        }
        let Some(sentry_trace) = self.sentry_traces.first() else {
            report.wrong(
                CONTINUED,
                format!("the {} have a baggage and no sentry-trace", self.place),
                "Without sentry-trace the baggage is ignored. Render both.",
            );
            return;
        };
        let sentry_trace = match sentry_trace.parse::<SentryTrace>() {
            Ok(sentry_trace) => sentry_trace,
            Err(error) => {
                report.wrong(
                    CONTINUED,
                    format!("the sentry-trace in the {} is {sentry_trace:?}: {error}", self.place),
                    "Render the value unchanged, without anything around it.",
                );
                return;
            }
        };
        if sentry_trace.trace_id != sent.sentry_trace.trace_id {
            self.not_continued(sentry_trace, again, report);
            return;
        }
        report.good(CONTINUED, format!("the {} continue the trace that was sent", self.place));
        if sentry_trace.span_id == sent.sentry_trace.span_id {
            report.note(
                CONTINUED,
                "the parent of the page is the caller's span, and not a span of the service",
                "The service hands on the incoming sentry-trace unchanged. Continue the trace, so that it has a span \
                 of the service.",
            );
        }
        if sentry_trace.sampled != sent.sentry_trace.sampled {
            report.note(
                "decision",
                format!("the trace was sent as sampled, and came back as {sentry_trace}"),
                "Fine if the service has a sampler that overrides its caller.",
            );
        }
        self.dynamic_sampling_context(sent, report);
    }

    fn not_continued(
        &self,
        theirs: SentryTrace,
        again: impl FnOnce() -> Option<TraceId>,
        report: &mut Report,
    ) {
        let what = format!("the {} have another trace than the one that was sent", self.place);
        if again() == Some(theirs.trace_id) {
            report.wrong(
                CONTINUED,
                format!("{what}, and give it to the next visitor as well: {}", theirs.trace_id),
                "The page comes from a cache, or was rendered only once: leave the trace out of such a page. Or a \
                 proxy sends a constant sentry-trace: remove that setting.",
            );
        } else {
            report.wrong(
                CONTINUED,
                what,
                "Check that the middleware is around the route, and that proxies let sentry-trace and baggage through. \
                 A service with strict_trace_continuation continues only traces of its organisation: use --org-id. \
                 The service knows the reason: `trace.not_continued()`, and a debug event.",
            );
        }
    }

    fn dynamic_sampling_context(&self, sent: &Sent, report: &mut Report) {
        const ABOUT: &str = "dynamic sampling context";
        const ADVICE: &str = "The head of the trace froze it: hand it on unchanged, with unknown items, and without \
                              new ones. A proxy may also drop or change `baggage`: look for `proxy_set_header` in \
                              nginx, and for `del-header` and `set-header` in HAProxy.";
        let Some(text) = self.baggages.first() else {
            report.wrong(ABOUT, format!("the {} have no baggage", self.place), ADVICE);
            return;
        };
        let dsc = DynamicSamplingContext::from_baggage([text.as_bytes()]);
        let (mut is_intact, mut missing) = (true, Vec::new());
        for (name, was) in sent.dsc.iter() {
            let what = match dsc.get(name) {
                Some(is) if is == was => continue,
                // A service with a sampler may set the rate.
                Some(is) if name == "sample_rate" => {
                    report.note(
                        ABOUT,
                        format!("sample_rate was {was}, and is {is:?} in the {}", self.place),
                        "Fine if the service has a sampler: it sets the rate that it decided by.",
                    );
                    continue;
                }
                Some(is) => format!("{name} was {was:?}, and is {is:?} in the {}", self.place),
                None => {
                    missing.push(name);
                    continue;
                }
            };
            is_intact = false;
            report.wrong(ABOUT, what, ADVICE);
        }
        if !missing.is_empty() {
            is_intact = false;
            let what = format!("missing in the {}: {}", self.place, missing.join(", "));
            report.wrong(ABOUT, what, ADVICE);
        }
        for (name, is) in dsc.iter().filter(|(name, _)| sent.dsc.get(name).is_none()) {
            is_intact = false;
            report.wrong(ABOUT, format!("{name} was added in the {}: {is:?}", self.place), ADVICE);
        }
        if is_intact {
            let spelling = if dsc == sent.dsc { "" } else { ", though not to the letter" };
            let items = sent.dsc.as_baggage().len();
            report.good(ABOUT, format!("all {items} items are in the {}{spelling}", self.place));
        }
    }

    fn foreign(&self, report: &mut Report) {
        const ABOUT: &str = "foreign baggage";
        let members = self.baggages.iter().flat_map(|list| BaggageMembers::new(list.as_bytes()));
        let foreign = members.flatten().filter(|member| member.sentry_name().is_none());
        let foreign: Vec<_> = foreign.map(|member| member.key()).collect();
        if foreign.is_empty() {
            report.good(ABOUT, format!("is not in the {}", self.place));
        } else {
            report.wrong(
                ABOUT,
                format!("the {} have members of others: {}", self.place, foreign.join(", ")),
                "They may be private, and are for the service only: hand on only sentry- members.",
            );
        }
    }
}

const CONTINUED: &str = "continued";
