//! One position in a trace, and what is handed on from there.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use crate::arrived::ArrivedBaggage;
use crate::carrier::{Field, Injector};
#[cfg(feature = "sentry")]
use crate::decision::Decision;
use crate::dsc::DynamicSamplingContext;
use crate::id::{SpanId, TraceId};
use crate::incoming::{Incoming, NotContinued};
use crate::method;
use crate::options::Options;
use crate::sampling::{SampleRand, SampleRate};
use crate::trace::{Origin, Trace};
use crate::trace_data::{TraceData, merge_baggage};
use crate::wire::{SentryTrace, Traceparent};

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

impl PropagationContext {
    pub(crate) fn continued(options: Arc<Options>, incoming: Incoming) -> Self {
        let Incoming { sentry_trace, tracestate, baggage } = incoming;
        let SentryTrace { trace_id, span_id: parent_span_id, .. } = sentry_trace;
        let span_id = SpanId::random();
        let origin = Origin::Continued {
            position: SentryTrace { span_id, ..sentry_trace },
            tracestate,
            baggage: ArrivedBaggage::from(baggage),
            completed: OnceLock::new(),
        };
        Self {
            span_id,
            parent_span_id: Some(parent_span_id),
            trace: Arc::new(Trace::new(options, trace_id, origin)),
        }
    }

    pub(crate) fn started(options: Arc<Options>, reason: NotContinued) -> Self {
        let origin = Origin::Started { reason, sample_rand: None, dsc: OnceLock::new() };
        Self {
            span_id: SpanId::random(),
            parent_span_id: None,
            trace: Arc::new(Trace::new(options, TraceId::random(), origin)),
        }
    }

    /// The position that somebody else has, with that one's decision: in this trace, or at the head of another.
    #[cfg(feature = "sentry")]
    pub(crate) fn at(
        &self,
        position: SentryTrace,
        parent_span_id: Option<SpanId>,
        decision: Decision,
    ) -> Self {
        let SentryTrace { trace_id, span_id, .. } = position;
        let trace = if trace_id == self.trace_id() {
            Arc::clone(&self.trace)
        } else {
            let reason = self.not_continued().cloned();
            let reason = reason.unwrap_or(NotContinued::OtherTransaction);
            Arc::new(self.trace.of_other_head(trace_id, reason, decision))
        };
        trace.settle(decision);
        Self { span_id, parent_span_id, trace }
    }

    /// As [`child`](Self::child), below another span than this one's.
    #[cfg(feature = "sentry")]
    pub(crate) fn below(&self, parent_span_id: SpanId) -> Self {
        Self { parent_span_id: Some(parent_span_id), ..self.child() }
    }

    /// What is decided, or would be if it were asked for.
    #[cfg(feature = "sentry")]
    pub(crate) fn decision_so_far(&self) -> Decision {
        self.trace.decision_so_far()
    }

    /// Decides, unless that was done.
    #[cfg(feature = "sentry")]
    pub(crate) fn settle(&self, decision: Decision) {
        self.trace.settle(decision);
    }

    #[cfg(feature = "sentry")]
    pub(crate) fn parent_sampled(&self) -> Option<bool> {
        self.trace.parent_sampled()
    }

    #[cfg(feature = "sentry")]
    pub(crate) fn transaction(&self) -> Option<Cow<'static, str>> {
        self.trace.transaction()
    }

    /// Whether this is another position of the very same trace of this process.
    #[cfg(feature = "sentry")]
    pub(crate) fn shares_trace_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.trace, &other.trace)
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
        self.trace.set_transaction(name);
    }

    /// Whether a [transaction's name](Self::set_transaction) has an effect: there is a sampler to tell it to, or the
    /// trace began here and is decided on here. A name that is costly to make is not worth it otherwise, unless a
    /// transaction of Sentry's SDK is to have it.
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
        if let Some(method) = method::find(method) {
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
        self.trace.options.propagate_traceparent.then(|| {
            let sampled = self.sampled() == Some(true);
            Traceparent::new(self.trace_id(), self.span_id, sampled)
        })
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
            merge_baggage(carrier.extract(Field::Baggage), || dsc.as_baggage())
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
