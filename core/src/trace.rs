//! What a service knows of a trace that it takes part in, and what it settles when.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::arrived::ArrivedBaggage;
use crate::decision::{Decision, SamplingContext};
use crate::dsc::DynamicSamplingContext;
use crate::id::TraceId;
use crate::incoming::NotContinued;
use crate::options::Options;
use crate::sampling::{SampleRand, SampleRate};
use crate::wire::{Baggage, SentryTrace, Tracestate};

/// What all contexts of one trace share.
pub(crate) struct Trace {
    pub(crate) options: Arc<Options>,
    pub(crate) trace_id: TraceId,
    pub(crate) origin: Origin,
    transaction: Mutex<Option<Cow<'static, str>>>,
    decision: OnceLock<Decision>,
    /// Whether a page has it.
    pub(crate) in_page: AtomicBool,
}

/// Where the trace began, with the dynamic sampling context that leaves, once it is frozen.
pub(crate) enum Origin {
    Continued {
        /// Of this service, with what its caller decided.
        position: SentryTrace,
        tracestate: Option<Tracestate>,
        baggage: ArrivedBaggage,
        /// Only where something is missing. `None`: as it arrived.
        completed: OnceLock<Option<Box<DynamicSamplingContext>>>,
    },
    Started {
        reason: NotContinued,
        /// `None`: the one that belongs to the trace id.
        sample_rand: Option<SampleRand>,
        dsc: OnceLock<DynamicSamplingContext>,
    },
}

impl Trace {
    pub(crate) fn new(options: Arc<Options>, trace_id: TraceId, origin: Origin) -> Self {
        Self {
            options,
            trace_id,
            origin,
            transaction: Mutex::new(None),
            decision: OnceLock::new(),
            in_page: AtomicBool::new(false),
        }
    }

    /// What arrived beside the `traceparent` that the trace was continued from.
    pub(crate) fn tracestate(&self) -> Option<&Tracestate> {
        match &self.origin {
            Origin::Continued { tracestate, .. } => tracestate.as_ref(),
            Origin::Started { .. } => None,
        }
    }

    pub(crate) fn decision(&self) -> Decision {
        // One that arrived, with no sampler to change it, is at hand, and is kept only where somebody else may decide
        // later: what was said stays.
        if !cfg!(feature = "sentry")
            && let (Some(sampled), None) = (self.parent_sampled(), &self.options.traces_sampler)
        {
            return Decision { sampled: Some(sampled), own_rate: None };
        }
        *self.decision.get_or_init(|| self.decide())
    }

    fn decide(&self) -> Decision {
        let Options { traces_sampler, traces_sample_rate, .. } = &*self.options;
        let parent_sampled = self.parent_sampled();
        let sampler = traces_sampler.as_ref().map(|sampler| {
            || {
                let name = self.transaction();
                let parent_sample_rate = self.parent_sample_rate();
                let name = name.as_deref();
                sampler(&SamplingContext { name, parent_sampled, parent_sample_rate })
            }
        });
        Decision::new(sampler, parent_sampled, *traces_sample_rate, || self.sample_rand())
    }

    /// What is decided, or would be.
    #[cfg(feature = "sentry")]
    pub(crate) fn decision_so_far(&self) -> Decision {
        self.decision.get().copied().unwrap_or_else(|| self.decide())
    }

    /// Decides, unless that was done.
    #[cfg(feature = "sentry")]
    pub(crate) fn settle(&self, decision: Decision) {
        self.decision.get_or_init(|| decision);
    }

    /// The trace with another id, whose head is this service as somebody else has decided for it.
    #[cfg(feature = "sentry")]
    pub(crate) fn of_other_head(
        &self,
        trace_id: TraceId,
        reason: NotContinued,
        decision: Decision,
    ) -> Self {
        let sample_rand = match decision {
            Decision { sampled: Some(sampled), own_rate: Some(rate) } => {
                Some(SampleRand::from_decision(trace_id, sampled, rate))
            }
            _ => None,
        };
        let origin = Origin::Started { reason, sample_rand, dsc: OnceLock::new() };
        let trace = Self::new(Arc::clone(&self.options), trace_id, origin);
        trace.set_transaction(self.transaction());
        trace
    }

    pub(crate) fn parent_sampled(&self) -> Option<bool> {
        match &self.origin {
            Origin::Continued { position, .. } => position.sampled,
            Origin::Started { .. } => None,
        }
    }

    fn parent_sample_rate(&self) -> Option<SampleRate> {
        self.arrived_dsc().and_then(DynamicSamplingContext::sample_rate)
    }

    /// The number that arrived, or else the one that follows from what did, whenever it is asked for.
    pub(crate) fn sample_rand(&self) -> SampleRand {
        if let Origin::Started { sample_rand: Some(sample_rand), .. } = self.origin {
            return sample_rand;
        }
        let arrived = self.arrived_dsc().and_then(DynamicSamplingContext::sample_rand);
        arrived.unwrap_or_else(|| match (self.parent_sampled(), self.parent_sample_rate()) {
            (Some(sampled), Some(rate)) => SampleRand::from_decision(self.trace_id, sampled, rate),
            _ => SampleRand::from_trace_id(self.trace_id),
        })
    }

    fn arrived_dsc(&self) -> Option<&DynamicSamplingContext> {
        match &self.origin {
            Origin::Continued { position, baggage, .. } => Some(baggage.dsc(position)),
            Origin::Started { .. } => None,
        }
    }

    pub(crate) fn set_transaction(&self, name: Option<Cow<'static, str>>) {
        *self.transaction.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    pub(crate) fn transaction(&self) -> Option<Cow<'static, str>> {
        self.transaction.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn dsc(&self) -> &DynamicSamplingContext {
        match &self.origin {
            Origin::Started { dsc, .. } => dsc.get_or_init(|| self.own_dsc()),
            Origin::Continued { position, baggage, completed, .. } => {
                let arrived = baggage.dsc(position);
                if !self.is_something_missing(arrived) {
                    // The rule, and to find it out once more costs less than to keep it.
                    return arrived;
                }
                let completed =
                    completed.get_or_init(|| self.with_what_is_missing(arrived).map(Box::new));
                completed.as_deref().unwrap_or(arrived)
            }
        }
    }

    /// The dynamic sampling context of a trace that began here. What services decide by comes first, and the
    /// transaction, whose length nobody has checked, last: where a limit is exceeded, the last are dropped.
    fn own_dsc(&self) -> DynamicSamplingContext {
        let decision = self.decision();
        let constant_items = &self.options.constant_items;
        let mut items = Baggage::with_capacity(constant_items.as_str().len() + OWN_ITEMS);
        // Only the transaction can be too long, and is left out then.
        let mut push = |key, value: &str| drop(items.push(key, value));
        push("sentry-trace_id", self.trace_id.encode(&mut [0; TraceId::DIGITS]));
        push("sentry-sample_rand", &self.sample_rand().to_string());
        if let Some(rate) = decision.own_rate {
            push("sentry-sample_rate", &rate.to_string());
        }
        // Somebody else may have decided for this service, and not say at which rate.
        if let Some(sampled) = decision.sampled {
            push("sentry-sampled", if sampled { "true" } else { "false" });
        }
        let _ = items.push_list(constant_items);
        if let (Some(_), Some(name)) = (decision.sampled, self.transaction()) {
            let _ = items.push("sentry-transaction", &name);
        }
        DynamicSamplingContext::from_items(items)
    }

    /// Whether one of the two items is to be set in a dynamic sampling context that arrived.
    fn is_something_missing(&self, arrived: &DynamicSamplingContext) -> bool {
        !arrived.is_empty()
            && (self.decision().own_rate.is_some() || arrived.sample_rand().is_none())
    }

    /// A dynamic sampling context that arrived, with the two items that may be set on the way; `None` if it
    /// stays as it is, which it also does where an item would not fit.
    ///
    /// A `sample_rand` that is missing, or is none, is added, or else every service would draw its own. The
    /// `sample_rate` becomes the one that this service decided at, so that a sampler further on that follows
    /// its parent's rate gets the right one.
    fn with_what_is_missing(
        &self,
        arrived: &DynamicSamplingContext,
    ) -> Option<DynamicSamplingContext> {
        let with_rand = match arrived.sample_rand() {
            Some(_) => None,
            // Without room for it nothing is set, or a shorter rate would make the room that the next service finds.
            None => Some(arrived.with("sample_rand", &self.sample_rand().to_string())?),
        };
        let so_far = with_rand.as_ref().unwrap_or(arrived);
        let with_rate = match self.decision().own_rate {
            Some(rate) if so_far.sample_rate() != Some(rate) => {
                so_far.with("sample_rate", &rate.to_string())
            }
            _ => None,
        };
        with_rate.or(with_rand)
    }
}

/// Room for the items that differ from trace to trace, with a transaction of common length.
const OWN_ITEMS: usize = 256;
