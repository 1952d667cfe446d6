//! One position in a trace, and what is handed on from there.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::carrier::{Field, Injector};
use crate::decision::{Decision, SamplingContext};
use crate::dsc::DynamicSamplingContext;
use crate::id::{SpanId, TraceId};
use crate::incoming::{Incoming, NotContinued};
use crate::options::Options;
use crate::sampling::{SampleRand, SampleRate};
use crate::trace_data::{TraceData, merge_baggage};
use crate::wire::{Baggage, SentryTrace, Traceparent, Tracestate};

/// A position in a trace: what a service knows of the trace that it takes part in, and what it hands on.
///
/// Made by [`Propagator::continue_trace`](crate::Propagator::continue_trace) and
/// [`start_new_trace`](crate::Propagator::start_new_trace). It carries all that it needs, so that a
/// template, a job or another thread needs nothing but it. Clones are cheap, and share one trace: whichever
/// first hands the trace on settles the sampling decision and freezes the dynamic sampling context for all
/// of them.
///
/// Neither of the two is settled before it is asked for, so that the
/// [transaction's name](Self::set_transaction) can still be set.
///
/// ```
/// use std::collections::HashMap;
/// use tracehop::Propagator;
///
/// let propagator = Propagator::builder().traces_sample_rate(1.0).build()?;
/// let context = propagator.start_new_trace();
/// context.set_transaction("GET /users/{id}");
///
/// let mut headers = HashMap::<String, String>::new();
/// context.inject("https://api.example.com/users/7", &mut headers);
/// let span_id = context.span_id();
/// assert_eq!(headers["sentry-trace"], format!("{}-{span_id}-1", context.trace_id()));
/// assert!(headers["baggage"].ends_with(",sentry-transaction=GET%20%2Fusers%2F%7Bid%7D"));
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Clone)]
pub struct PropagationContext {
    span_id: SpanId,
    parent_span_id: Option<SpanId>,
    trace: Arc<Trace>,
}

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// What all contexts of one trace share.
struct Trace {
    options: Arc<Options>,
    trace_id: TraceId,
    origin: Origin,
    transaction: Mutex<Option<Cow<'static, str>>>,
    decision: OnceLock<Decision>,
    /// Whether a page has it.
    in_page: AtomicBool,
}

/// Where the trace began, with the dynamic sampling context that leaves, once it is frozen.
enum Origin {
    Continued {
        incoming: Incoming,
        /// Only where something is missing. `None`: as it arrived.
        completed: OnceLock<Option<Box<DynamicSamplingContext>>>,
    },
    Started {
        reason: NotContinued,
        dsc: OnceLock<DynamicSamplingContext>,
    },
}

impl PropagationContext {
    pub(crate) fn continued(options: Arc<Options>, incoming: Incoming) -> Self {
        let SentryTrace { trace_id, span_id, .. } = incoming.sentry_trace;
        let origin = Origin::Continued { incoming, completed: OnceLock::new() };
        Self {
            span_id: SpanId::random(),
            parent_span_id: Some(span_id),
            trace: Arc::new(Trace::new(options, trace_id, origin)),
        }
    }

    pub(crate) fn started(options: Arc<Options>, reason: NotContinued) -> Self {
        let origin = Origin::Started { reason, dsc: OnceLock::new() };
        Self {
            span_id: SpanId::random(),
            parent_span_id: None,
            trace: Arc::new(Trace::new(options, TraceId::random(), origin)),
        }
    }

    pub(crate) fn options(&self) -> &Arc<Options> {
        &self.trace.options
    }

    /// A context for a span below this one, which the application records itself. It has a new span id, and
    /// this one's as its parent.
    ///
    /// A span that nobody records would leave the next service an orphan: hand on this context instead.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: SpanId::random(),
            parent_span_id: Some(self.span_id),
            trace: Arc::clone(&self.trace),
        }
    }

    /// The trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace.trace_id
    }

    /// This service's own span, new for every trace continued or started. Whoever receives the headers has
    /// it as the parent.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// The span that this one is below: the caller's, or [this service's own](Self::child); `None` at the
    /// head of the trace.
    pub fn parent_span_id(&self) -> Option<SpanId> {
        self.parent_span_id
    }

    /// Whether the trace was begun by another service.
    pub fn is_continued(&self) -> bool {
        matches!(self.trace.origin, Origin::Continued { .. })
    }

    /// Why the trace was not continued; `None` if it was.
    pub fn not_continued(&self) -> Option<&NotContinued> {
        match &self.trace.origin {
            Origin::Continued { .. } => None,
            Origin::Started { reason, .. } => Some(reason),
        }
    }

    /// Names the transaction: a route pattern such as `GET /users/{id}`, never a path that somebody
    /// requested.
    ///
    /// The name is told to the sampler, and goes into the dynamic sampling context if the trace began here
    /// and a decision is made here. It has no effect on what is settled already. An empty name is none.
    pub fn set_transaction(&self, name: impl Into<Cow<'static, str>>) {
        let name = Some(name.into()).filter(|name| !name.is_empty());
        *self.trace.transaction.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// Whether a [transaction's name](Self::set_transaction) has an effect: there is a sampler to tell it to, or the
    /// trace began here and is decided on here. A name that is costly to make is not worth it otherwise.
    pub fn uses_transaction(&self) -> bool {
        let Options { traces_sampler, .. } = &*self.trace.options;
        traces_sampler.is_some() || !self.is_continued() && self.trace.options.samples()
    }

    /// [Names the transaction](Self::set_transaction) after a request's method and the pattern of its route.
    ///
    /// A method that is not one of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-method-definitions)
    /// or [RFC 5789](https://www.rfc-editor.org/rfc/rfc5789) names nothing: it is free text of the client's,
    /// and not for a list of names.
    pub fn set_route(&self, method: &str, pattern: &str) {
        if METHODS.contains(&method) {
            self.set_transaction([method, " ", pattern].concat());
        }
    }

    /// The sampling decision; `None` if it is deferred to the services further on. Asking settles it.
    ///
    /// In order: the sampler's, the calling service's, the one by `traces_sample_rate`, none.
    pub fn sampled(&self) -> Option<bool> {
        self.trace.decision().sampled
    }

    /// The rate of this service's own that made the decision, if one did. Asking settles the decision.
    pub fn sample_rate(&self) -> Option<SampleRate> {
        self.trace.decision().own_rate
    }

    /// The random number of the trace.
    pub fn sample_rand(&self) -> SampleRand {
        self.trace.sample_rand()
    }

    /// Whether this service should record spans and send them: only if it has a rate or a sampler, and the
    /// decision is "yes".
    pub fn sends_spans(&self) -> bool {
        self.trace.options.samples() && self.sampled() == Some(true)
    }

    /// The dynamic sampling context. Asking is a departure: it is frozen from here on.
    pub fn dsc(&self) -> &DynamicSamplingContext {
        self.trace.dsc()
    }

    /// What to hand on to whatever is no HTTP request, as pairs of name and value. Freezes the dynamic
    /// sampling context.
    ///
    /// ```
    /// # let context = tracehop::Propagator::builder().build()?.start_new_trace();
    /// for (name, value) in context.trace_data().iter() {
    ///     println!("{name}: {value}");
    /// }
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    #[must_use]
    pub fn trace_data(&self) -> TraceData<'_> {
        TraceData::new(self.sentry_trace(), self.dsc(), self.traceparent(), self.trace.tracestate())
    }

    /// As [`trace_data`](Self::trace_data), to be rendered into a page: that it was is [known](Self::is_in_page)
    /// from then on.
    #[must_use]
    pub fn trace_data_for_page(&self) -> TraceData<'_> {
        self.trace.in_page.store(true, Ordering::Relaxed);
        self.trace_data()
    }

    /// Whether the trace was [rendered into a page](Self::trace_data_for_page), which shared caches must not keep:
    /// see [`is_storable_by_shared_caches`](crate::is_storable_by_shared_caches).
    pub fn is_in_page(&self) -> bool {
        self.trace.in_page.load(Ordering::Relaxed)
    }

    /// Says that shared caches may keep the page of a route, which was a response to the request of this trace. If
    /// the trace [is in it](Self::is_in_page), this is a warning with the feature `tracing`, once for each route.
    ///
    /// The route is the pattern that was matched, as in [`set_route`](Self::set_route).
    pub fn warn_if_in_shared_page(&self, route: &str) {
        if self.is_in_page() {
            self.trace.options.shared_pages.warn(route);
        }
    }

    fn sentry_trace(&self) -> SentryTrace {
        SentryTrace::new(self.trace_id(), self.span_id, self.sampled())
    }

    fn traceparent(&self) -> Option<Traceparent> {
        let sampled = self.sampled() == Some(true);
        let traceparent = Traceparent::new(self.trace_id(), self.span_id, sampled);
        self.trace.options.propagate_traceparent.then_some(traceparent)
    }

    /// Writes the trace into the headers of a request to this URL, if it is one of the
    /// [`trace_propagation_targets`](crate::PropagatorBuilder::trace_propagation_targets).
    ///
    /// The URL is the absolute one that the request goes to. What the application wrote itself is
    /// respected:
    ///
    /// * if there is a `sentry-trace` already, nothing is written at all;
    /// * other vendors' members of its `baggage` are kept, unchanged and first; `sentry-` members are
    ///   replaced, if there are any to send;
    /// * a `traceparent` of its own is left alone, with its `tracestate`; a `tracestate` without one, which
    ///   means nothing, gives way to ours.
    pub fn inject<I: Injector + ?Sized>(&self, url: impl AsRef<str>, carrier: &mut I) {
        if self.propagates_to(url) {
            self.inject_always(carrier);
        }
    }

    /// Whether a request to this URL gets the trace: what [`inject`](Self::inject) decides by. For a client that
    /// follows redirects, which takes the headers of one request to another URL.
    pub fn propagates_to(&self, url: impl AsRef<str>) -> bool {
        self.trace.options.is_target(url.as_ref())
    }

    /// Writes the trace into a carrier that has no URL, such as a queue message or a child process.
    /// Otherwise as [`inject`](Self::inject).
    pub fn inject_always<I: Injector + ?Sized>(&self, carrier: &mut I) {
        if carrier.extract(Field::SentryTrace).next().is_some() {
            return;
        }
        let dsc = self.dsc();
        let sentry_trace = self.sentry_trace();
        let mut buffer = [0; SentryTrace::MAX_LEN];
        if dsc.is_empty() {
            carrier.set(Field::SentryTrace, sentry_trace.encode(&mut buffer));
        } else if let Some(merged) =
            merge_baggage(carrier.extract(Field::Baggage), dsc.as_baggage())
        {
            carrier.set(Field::SentryTrace, sentry_trace.encode(&mut buffer));
            carrier.set(Field::Baggage, &merged);
        } else {
            carrier.set_trace(&sentry_trace, dsc);
        }
        if let Some(traceparent) = self.traceparent()
            && carrier.extract(Field::Traceparent).next().is_none()
        {
            carrier.set(Field::Traceparent, traceparent.encode(&mut [0; Traceparent::LEN]));
            if let Some(tracestate) = self.trace.tracestate() {
                carrier.set(Field::Tracestate, tracestate.as_str());
            }
        }
    }
}

impl AsRef<Self> for PropagationContext {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for PropagationContext {
    /// Shows the ids, and settles nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PropagationContext")
            .field("trace_id", &self.trace.trace_id)
            .field("span_id", &self.span_id)
            .field("parent_span_id", &self.parent_span_id)
            .field("not_continued", &self.not_continued())
            .finish_non_exhaustive()
    }
}

impl Trace {
    fn new(options: Arc<Options>, trace_id: TraceId, origin: Origin) -> Self {
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
    fn tracestate(&self) -> Option<&Tracestate> {
        match &self.origin {
            Origin::Continued { incoming, .. } => incoming.tracestate.as_ref(),
            Origin::Started { .. } => None,
        }
    }

    fn decision(&self) -> Decision {
        // One that arrived, with no sampler to change it, is at hand.
        if let (Some(sampled), None) = (self.parent_sampled(), &self.options.traces_sampler) {
            return Decision { sampled: Some(sampled), own_rate: None };
        }
        *self.decision.get_or_init(|| {
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
        })
    }

    fn parent_sampled(&self) -> Option<bool> {
        match &self.origin {
            Origin::Continued { incoming, .. } => incoming.sentry_trace.sampled,
            Origin::Started { .. } => None,
        }
    }

    fn parent_sample_rate(&self) -> Option<SampleRate> {
        self.arrived_dsc().and_then(DynamicSamplingContext::sample_rate)
    }

    /// The number that arrived, or else the one that follows from what did, whenever it is asked for.
    fn sample_rand(&self) -> SampleRand {
        let arrived = self.arrived_dsc().and_then(DynamicSamplingContext::sample_rand);
        arrived.unwrap_or_else(|| match (self.parent_sampled(), self.parent_sample_rate()) {
            (Some(sampled), Some(rate)) => SampleRand::from_decision(self.trace_id, sampled, rate),
            _ => SampleRand::from_trace_id(self.trace_id),
        })
    }

    fn arrived_dsc(&self) -> Option<&DynamicSamplingContext> {
        match &self.origin {
            Origin::Continued { incoming, .. } => Some(incoming.baggage.dsc()),
            Origin::Started { .. } => None,
        }
    }

    fn transaction(&self) -> Option<Cow<'static, str>> {
        self.transaction.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn dsc(&self) -> &DynamicSamplingContext {
        match &self.origin {
            Origin::Started { dsc, .. } => dsc.get_or_init(|| self.own_dsc()),
            Origin::Continued { incoming, completed } => {
                let arrived = incoming.baggage.dsc();
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
        if let (Some(sampled), Some(rate)) = (decision.sampled, decision.own_rate) {
            push("sentry-sample_rate", &rate.to_string());
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
