//! What all contexts of one trace share: the incoming values, the decision, and the frozen DSC.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, Weak};
#[cfg(not(all(test, shuttle)))]
use std::sync::{Mutex, MutexGuard, OnceLock};

#[cfg(all(test, shuttle))]
use shuttle::sync::{Mutex, MutexGuard};

use super::incoming::{DscNotUsed, NotContinued, W3c};
#[cfg(all(test, shuttle))]
use super::interleavings::OnceLock;
use super::options::Options;
use super::scope::RequestRecordings;
use crate::dsc::DynamicSamplingContext;
use crate::sampling::{Decision, SampleRand, SampleRate, Sampler, SamplingContext};
use crate::wire::{Baggage, TraceId, Tracestate};

/// What all contexts of one trace share.
pub(crate) struct Trace {
    pub(crate) options: Arc<Options>,
    pub(crate) trace_id: TraceId,
    pub(crate) origin: Origin,
    transaction: Mutex<Option<Transaction>>,
    decision: OnceLock<Decision>,
    /// The DSC that leaves, unless it is exactly the incoming one.
    frozen: OnceLock<DynamicSamplingContext>,
    /// The recordings of the request, kept alive by its server hop.
    pub(crate) recordings: OnceLock<Weak<dyn RequestRecordings>>,
    /// Whether the trace was rendered into a page.
    pub(crate) is_in_page: AtomicBool,
}

/// Where the trace began.
pub(crate) enum Origin {
    Continued {
        parent_sampled: Option<bool>,
        dsc: DynamicSamplingContext,
        dsc_not_used: Option<DscNotUsed>,
        w3c: W3c,
    },
    Started {
        /// `None`: the ids were continued, and all else is made here.
        reason: Option<NotContinued>,
        /// `None`: the number is computed from the trace id.
        sample_rand: Option<SampleRand>,
    },
}

#[derive(Clone)]
struct Transaction {
    name: Cow<'static, str>,
    /// Whether an adapter named it by the route. The application's own name has priority.
    is_route: bool,
}

impl Trace {
    pub(crate) fn new(options: Arc<Options>, trace_id: TraceId, origin: Origin) -> Self {
        Self {
            options,
            trace_id,
            origin,
            transaction: Mutex::new(None),
            decision: OnceLock::new(),
            frozen: OnceLock::new(),
            recordings: OnceLock::new(),
            is_in_page: AtomicBool::new(false),
        }
    }

    /// Returns the `tracestate` that came with a `traceparent` of this trace.
    pub(crate) fn tracestate(&self) -> Option<&Tracestate> {
        self.w3c().and_then(|w3c| w3c.tracestate.as_ref())
    }

    /// Whether a `traceparent` of this trace said that the trace id is random.
    pub(crate) fn has_random_trace_id(&self) -> bool {
        self.w3c().is_some_and(|w3c| w3c.random_trace_id)
    }

    fn w3c(&self) -> Option<&W3c> {
        match &self.origin {
            Origin::Continued { w3c, .. } => Some(w3c),
            Origin::Started { .. } => None,
        }
    }

    /// Returns the decision, and makes it if that was not done.
    pub(crate) fn decision(&self) -> Decision {
        *self.decision.get_or_init(|| self.decide())
    }

    /// Returns the decision, or what it would be, without making it.
    pub(crate) fn provisional_decision(&self) -> Decision {
        self.decision.get().copied().unwrap_or_else(|| self.decide())
    }

    /// Sets the decision, unless it was made.
    pub(crate) fn settle(&self, decision: Decision) {
        self.decision.get_or_init(|| decision);
    }

    fn decide(&self) -> Decision {
        let Options { traces_sampler, traces_sample_rate, .. } = &*self.options;
        let parent_sampled = self.parent_sampled();
        let answer = traces_sampler.as_ref().and_then(|sampler| self.ask(sampler));
        Decision::new(answer, parent_sampled, *traces_sample_rate, || self.sample_rand())
    }

    /// Returns the answer of a sampler; `None` if it panics.
    fn ask(&self, sampler: &Sampler) -> Option<f64> {
        let name = self.transaction();
        let context = SamplingContext {
            name: name.as_deref(),
            parent_sampled: self.parent_sampled(),
            parent_sample_rate: self.parent_sample_rate(),
            sample_rand: Some(self.sample_rand()),
        };
        let answer = catch_unwind(AssertUnwindSafe(|| sampler(&context))).ok();
        #[cfg(feature = "tracing")]
        if answer.is_none() {
            // As for the sampler itself, the trace that is being decided on is not current.
            super::outside_of_any(|| {
                tracing::error!(
                    trace_id = %self.trace_id,
                    "traces_sampler panicked: the trace is decided on without it"
                );
            });
        }
        answer
    }

    /// Makes a trace with another id, of which this service is the head, for a decision made elsewhere.
    pub(crate) fn with_external_head(
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
        let origin = Origin::Started { reason: Some(reason), sample_rand };
        let trace = Self::new(Arc::clone(&self.options), trace_id, origin);
        *trace.lock_transaction() = self.lock_transaction().clone();
        trace
    }

    pub(crate) fn parent_sampled(&self) -> Option<bool> {
        match &self.origin {
            Origin::Continued { parent_sampled, .. } => *parent_sampled,
            Origin::Started { .. } => None,
        }
    }

    fn parent_sample_rate(&self) -> Option<SampleRate> {
        self.incoming_dsc().and_then(DynamicSamplingContext::sample_rate)
    }

    /// Returns the incoming random number, else the one that follows from the incoming values.
    pub(crate) fn sample_rand(&self) -> SampleRand {
        if let Origin::Started { sample_rand: Some(sample_rand), .. } = self.origin {
            return sample_rand;
        }
        let incoming = self.incoming_dsc().and_then(DynamicSamplingContext::sample_rand);
        incoming.unwrap_or_else(|| match (self.parent_sampled(), self.parent_sample_rate()) {
            (Some(sampled), Some(rate)) => SampleRand::from_decision(self.trace_id, sampled, rate),
            _ => SampleRand::from_trace_id(self.trace_id),
        })
    }

    fn incoming_dsc(&self) -> Option<&DynamicSamplingContext> {
        match &self.origin {
            Origin::Continued { dsc, .. } => Some(dsc),
            Origin::Started { .. } => None,
        }
    }

    /// Names the transaction, or removes its name. The name of a route does not replace another name.
    pub(crate) fn set_transaction(&self, name: Option<Cow<'static, str>>, is_route: bool) {
        let mut transaction = self.lock_transaction();
        if !is_route || transaction.as_ref().is_none_or(|current| current.is_route) {
            *transaction = name.map(|name| Transaction { name, is_route });
        }
    }

    pub(crate) fn transaction(&self) -> Option<Cow<'static, str>> {
        self.lock_transaction().as_ref().map(|transaction| transaction.name.clone())
    }

    fn lock_transaction(&self) -> MutexGuard<'_, Option<Transaction>> {
        self.transaction.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the frozen DSC, and freezes it if that was not done.
    pub(crate) fn dsc(&self) -> &DynamicSamplingContext {
        match &self.origin {
            Origin::Started { .. } => self.frozen.get_or_init(|| self.own_dsc()),
            Origin::Continued { dsc: incoming, .. } => {
                let is_complete =
                    self.decision().own_rate.is_none() && incoming.sample_rand().is_some();
                if is_complete || incoming.is_empty() {
                    incoming
                } else {
                    self.frozen.get_or_init(|| self.completed(incoming))
                }
            }
        }
    }

    /// Makes the DSC of a trace that begins here. A transaction that does not fit is left out.
    fn own_dsc(&self) -> DynamicSamplingContext {
        let decision = self.decision();
        let mut items = Baggage::new();
        // Only the transaction can be too long: `build` checks the options.
        let mut push = |key, value: &str| drop(items.push(key, value));
        push("sentry-trace_id", &self.trace_id.to_string());
        push("sentry-sample_rand", &self.sample_rand().to_string());
        if let Some(rate) = decision.own_rate {
            push("sentry-sample_rate", &rate.to_string());
        }
        // A decision made elsewhere may come without a rate.
        if let Some(sampled) = decision.sampled {
            push("sentry-sampled", if sampled { "true" } else { "false" });
        }
        for item in self.options.constant_items.members() {
            let _ = items.push_member(&item);
        }
        if let (Some(_), Some(name)) = (decision.sampled, self.transaction()) {
            let _ = items.push("sentry-transaction", &name);
        }
        DynamicSamplingContext::from_items(items)
    }

    /// Returns an incoming DSC with the two items that may be set on the way. It stays as it is where an item does
    /// not fit.
    ///
    /// A missing or malformed `sample_rand` is set, so that not every service draws its own. `sample_rate` becomes the
    /// rate of this service's decision, so that a sampler further on that follows its parent's rate gets the right
    /// one.
    fn completed(&self, incoming: &DynamicSamplingContext) -> DynamicSamplingContext {
        let with_rand = match incoming.sample_rand() {
            Some(_) => incoming.clone(),
            None => match incoming.with("sample_rand", &self.sample_rand().to_string()) {
                Some(with_rand) => with_rand,
                // A shorter rate would free bytes, which the next service would fill with a number of its own.
                None => return incoming.clone(),
            },
        };
        match self.decision().own_rate {
            Some(rate) if with_rand.sample_rate() != Some(rate) => {
                with_rand.with("sample_rate", &rate.to_string()).unwrap_or(with_rand)
            }
            _ => with_rand,
        }
    }
}
