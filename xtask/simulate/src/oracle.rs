//! The oracle: how a service with the library must continue a request, by the rules alone.

use crate::call::{Call, Carrier};
use crate::headers::{Headers, add};
use crate::ours::{OWN_BAGGAGE, Ours, Sampler};
use crate::told::{Line, MAX_ITEMS, Parent, Told};

/// The trace of a request, as a service must read it.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// `None` if a new trace must start here.
    pub(crate) parent: Option<Parent>,
    told: Told,
}

/// The sampling decision that a service must make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Decision {
    pub(crate) sampled: Option<bool>,
    /// The rate of this service, if that made the decision.
    pub(crate) own_rate: Option<f64>,
}

/// The random numbers that a trace may have at a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rand {
    /// The incoming number.
    Given(f64),
    /// A number that agrees with a decision at a rate. All services draw the same one.
    Agreeing { sampled: bool, rate: f64 },
    /// Any number. All services draw the same one.
    Any,
}

impl Arrival {
    pub(crate) fn new(ours: &Ours, told: &Told) -> Self {
        let from_traceparent = || {
            // A `traceparent` cannot tell "not sampled" from "deferred".
            let parent = told.traceparent.clone().filter(|_| ours.reads_traceparent)?;
            Some(Parent { sampled: parent.sampled.filter(|sampled| *sampled), ..parent })
        };
        let (parent, tracestate) = match &told.sentry_trace {
            Line::One(parent) => {
                // A `tracestate` belongs to the trace of its `traceparent`.
                let w3c = told.traceparent.as_ref();
                let is_same = w3c.is_some_and(|w3c| w3c.trace_id == parent.trace_id);
                (Some(parent.clone()), told.tracestate.clone().filter(|_| is_same))
            }
            Line::Nothing => (from_traceparent(), told.tracestate.clone()),
            Line::Malformed | Line::Conflicting(_) => (None, None),
        };
        let mut told = told.clone();
        // A DSC of another trace counts as not sent.
        let named = told.item("trace_id").map(str::to_owned);
        let is_others = |parent: &Parent| named.is_some_and(|named| named != parent.trace_id);
        if parent.as_ref().is_some_and(is_others) {
            (told.items, told.is_lie) = (Vec::new(), false);
        }
        let ours_id = ours.org_id.map(|id| id.to_string());
        let may_continue = match (told.item("org_id"), ours_id.as_deref()) {
            (Some(theirs), Some(ours)) => theirs == ours,
            (None, None) => true,
            _ => !ours.is_strict,
        };
        match parent.filter(|_| may_continue) {
            Some(parent) => {
                told.tracestate = tracestate;
                Self { parent: Some(parent), told }
            }
            None => Self { parent: None, told: Told::default() },
        }
    }

    pub(crate) fn rand(&self) -> Rand {
        let given = self.told.item("sample_rand").and_then(|text| text.parse::<f64>().ok());
        let parent_sampled = self.parent.as_ref().and_then(|parent| parent.sampled);
        match (given.filter(|rand| (0.0..1.0).contains(rand)), parent_sampled, self.parent_rate()) {
            (Some(rand), _, _) => Rand::Given(rand),
            (None, Some(sampled), Some(rate)) => Rand::Agreeing { sampled, rate },
            _ => Rand::Any,
        }
    }

    fn parent_rate(&self) -> Option<f64> {
        let rate: f64 = self.told.item("sample_rate")?.parse().ok()?;
        Some(rate).filter(|rate| (0.0..=1.0).contains(rate))
    }

    pub(crate) fn decision(&self, ours: &Ours, rand: f64) -> Decision {
        let parent = self.parent.as_ref().and_then(|parent| parent.sampled);
        let by = |rate: f64| Decision { sampled: Some(rand < rate), own_rate: Some(rate) };
        match (ours.sampler, parent, ours.rate) {
            (Some(Sampler::Fixed(rate)), _, _) => by(rate),
            (Some(Sampler::Inherit(rate)), _, _) => {
                let as_rate = |sampled| if sampled { 1.0 } else { 0.0 };
                by(self.parent_rate().or(parent.map(as_rate)).unwrap_or(rate))
            }
            (None, Some(sampled), _) => Decision { sampled: Some(sampled), own_rate: None },
            (None, None, Some(rate)) => by(rate),
            (None, None, None) => Decision { sampled: None, own_rate: None },
        }
    }

    /// Returns what the service must send, given its ids, its random number and its decision.
    pub(crate) fn departure(
        &self,
        ours: &Ours,
        own: &Parent,
        rand: f64,
        decision: Decision,
    ) -> Told {
        let mut told = Told::default();
        let rate = decision.own_rate.map(|rate| rate.to_string());
        let rand = format!("{rand:.6}");
        if self.parent.is_none() {
            told.add("trace_id", &own.trace_id);
            told.add("sample_rand", &rand);
            if let (Some(rate), Some(sampled)) = (&rate, decision.sampled) {
                told.add("sample_rate", rate);
                told.add("sampled", &sampled.to_string());
            }
            told.add("public_key", &format!("key{}", ours.index));
            if let Some(id) = ours.org_id {
                told.add("org_id", &id.to_string());
            }
            told.add("release", &format!("s{}%401.0", ours.index));
            told.add("environment", "production");
            if decision.sampled.is_some() {
                told.add("transaction", &format!("GET%20%2Fs{}", ours.index));
            }
        } else if !self.told.items.is_empty() {
            told.items.clone_from(&self.told.items);
            let has_rand = matches!(self.rand(), Rand::Given(_));
            // If the list has no space for the random number, neither item is set.
            if has_rand || told.item("sample_rand").is_some() || told.items.len() < MAX_ITEMS {
                if !has_rand {
                    told.put("sample_rand", &rand);
                }
                if let Some(rate) = rate.filter(|_| self.parent_rate() != decision.own_rate) {
                    told.put("sample_rate", &rate);
                }
            }
        }
        told.is_lie = self.told.is_lie && decision.own_rate.is_none();
        told.traceparent = ours
            .writes_traceparent
            .then(|| Parent { sampled: Some(own.sampled == Some(true)), ..own.clone() });
        told.tracestate = self.told.tracestate.clone().filter(|_| ours.writes_traceparent);
        told.sentry_trace = Line::One(own.clone());
        told
    }
}

/// Returns what one call must send: nothing if the URL is no target, and no `traceparent` in an environment.
pub(crate) fn told_in(call: Call, url: &str, ours: &Ours, told: &Told) -> Told {
    let has_url = !matches!(call.carrier, Carrier::Environment | Carrier::TraceData);
    let is_target = ours.zone.is_none_or(|zone| url.contains(&format!(".{zone}.example/")));
    if has_url && !is_target {
        return Told::default();
    }
    let mut told = told.clone();
    if call.carrier == Carrier::Environment {
        (told.traceparent, told.tracestate) = (None, None);
    }
    if call.has_own_baggage && has_url {
        told.items.truncate(MAX_ITEMS - 1);
    }
    told
}

/// Returns the headers with these values, sorted.
pub(crate) fn headers(call: Call, told: &Told) -> Headers {
    let mut headers = Headers::new();
    let takes_own = !matches!(call.carrier, Carrier::Environment | Carrier::TraceData);
    let own = if call.has_own_baggage && takes_own { OWN_BAGGAGE } else { "" };
    let items = told.baggage();
    match (own, items.as_str()) {
        ("", "") => {}
        (own, "") => add(&mut headers, "baggage", own),
        ("", items) => add(&mut headers, "baggage", items),
        (own, items) => add(&mut headers, "baggage", format!("{own},{items}")),
    }
    if let Line::One(parent) = &told.sentry_trace {
        let decision = parent.sampled.map_or("", |sampled| if sampled { "-1" } else { "-0" });
        let value = format!("{}-{}{decision}", parent.trace_id, parent.span_id);
        add(&mut headers, "sentry-trace", value);
    }
    if let Some(parent) = &told.traceparent {
        let flags = if parent.sampled == Some(true) { "01" } else { "00" };
        let value = format!("00-{}-{}-{flags}", parent.trace_id, parent.span_id);
        add(&mut headers, "traceparent", value);
    }
    if let Some(list) = &told.tracestate {
        add(&mut headers, "tracestate", list.as_str());
    }
    headers
}
