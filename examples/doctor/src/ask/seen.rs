//! The trace that an answer tells of, beside the one that was sent.

use scraper::Html;
use tracehop::wire::{Baggage, SentryTrace};
use tracehop::{DynamicSamplingContext, TraceId};

use super::Answer;
use super::page::{meta_tags, server_timing};
use super::sent::Sent;
use crate::Report;

/// What one place of an answer says.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) place: &'static str,
    /// More than one if a tag is there more than once.
    sentry_traces: Vec<String>,
    baggages: Vec<String>,
}

impl Seen {
    /// All places of an answer that say something, the one first that browsers read first.
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

    /// Holds what is seen against what was sent.
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
                "Browsers read the first. Render the tags in one place, such as the base template.",
            );
        }
        let Some(sentry_trace) = self.sentry_traces.first() else {
            report.wrong(
                CONTINUED,
                format!("the {} have a baggage and no sentry-trace", self.place),
                "Without it the baggage is not used. Render both.",
            );
            return;
        };
        let sentry_trace = match sentry_trace.parse::<SentryTrace>() {
            Ok(sentry_trace) => sentry_trace,
            Err(error) => {
                report.wrong(
                    CONTINUED,
                    format!("the sentry-trace in the {} is {sentry_trace:?}: {error}", self.place),
                    "Render the value as it is, with nothing around it.",
                );
                return;
            }
        };
        if sentry_trace.trace_id != sent.sentry_trace.trace_id {
            self.not_continued(sentry_trace, again, report);
            return;
        }
        report.good(CONTINUED, format!("the {} go on with the trace that was sent", self.place));
        if sentry_trace.span_id == sent.sentry_trace.span_id {
            report.note(
                CONTINUED,
                "the page's parent is the span of the request, and not one of the service",
                "The service hands on what it got. Continue the trace in it, so that its own span is in the trace.",
            );
        }
        if sentry_trace.sampled != sent.sentry_trace.sampled {
            report.note(
                "decision",
                format!("the trace was sent sampled, and left as {sentry_trace}"),
                "Fine if the service has a sampler that decides against its caller.",
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
                "The page comes from a cache, or was rendered once for all. Leave the trace out of such a page.",
            );
        } else {
            report.wrong(
                CONTINUED,
                what,
                "Is the middleware in front of the route, and do proxies let sentry-trace and baggage through? A \
                 service with strict_trace_continuation goes on only within its organisation: ask with --org-id. The \
                 reason is on the context, `trace.not_continued()`, and in a debug event.",
            );
        }
    }

    fn dynamic_sampling_context(&self, sent: &Sent, report: &mut Report) {
        const ABOUT: &str = "dynamic sampling context";
        const ADVICE: &str = "It was frozen where the trace began: hand on what arrived as it is, items that nobody \
                              knows included, and add none.";
        let Some(text) = self.baggages.first() else {
            report.wrong(ABOUT, format!("the {} have no baggage", self.place), ADVICE);
            return;
        };
        let dsc = DynamicSamplingContext::from_baggage([text.as_bytes()]);
        let mut is_intact = true;
        for (name, was) in sent.dsc.iter() {
            let what = match dsc.get(name) {
                Some(is) if is == was => continue,
                // What a service may set that decides by a rate of its own.
                Some(is) if name == "sample_rate" => {
                    report.note(
                        ABOUT,
                        format!("sample_rate was {was}, and is {is:?} in the {}", self.place),
                        "Fine if the service has a sampler, which sets it to the rate that it decided at.",
                    );
                    continue;
                }
                Some(is) => format!("{name} was {was:?}, and is {is:?} in the {}", self.place),
                None => format!("{name} is missing in the {}", self.place),
            };
            is_intact = false;
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
        let lists = self.baggages.iter().filter_map(|list| list.parse::<Baggage>().ok());
        let foreign: Vec<_> = lists
            .flat_map(|list| {
                let foreign = list.members().filter(|member| member.sentry_name().is_none());
                foreign.map(|member| member.key().to_owned()).collect::<Vec<_>>()
            })
            .collect();
        if foreign.is_empty() {
            report.good(ABOUT, format!("is kept out of the {}", self.place));
        } else {
            report.wrong(
                ABOUT,
                format!("the {} have members of others: {}", self.place, foreign.join(", ")),
                "They may be private, and are for nobody but the service: hand on sentry- members alone.",
            );
        }
    }
}

const CONTINUED: &str = "continued";
