//! One position in a trace, and what is handed on from there.

mod current;
mod incoming;
#[cfg(all(test, shuttle))]
mod interleavings;
mod options;
mod outgoing;
mod position;
mod scope;
mod trace;
mod trace_data;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

pub(crate) use current::outside_of_any;
pub use current::{InTrace, Traced};
pub(crate) use incoming::Incoming;
pub use incoming::{DscNotUsed, NotContinued};
pub(crate) use options::{Options, Warnings};
pub use position::SpanPosition;
pub use scope::RecorderScope;
pub(crate) use scope::{RequestRecordings, call_within};
use trace::{Origin, Trace};
pub use trace_data::TraceData;

use crate::dsc::DynamicSamplingContext;
use crate::sampling::{Decision, SampleRand, SampleRate};
use crate::wire::{SentryTrace, SpanId, TraceId, Traceparent};

/// A position in a trace: what a service knows of the trace that it takes part in, and what it hands on.
///
/// Made by [`Propagator::continue_trace`](crate::Propagator::continue_trace) and
/// [`start_new_trace`](crate::Propagator::start_new_trace). It carries all that it needs, so it can be given to a
/// template, a job or another thread. Clones are cheap and share one trace: the first one that hands the trace on
/// makes the sampling decision and freezes the dynamic sampling context (DSC) for all of them.
///
/// Decision and DSC are made when they are first needed, so that the
/// [transaction's name](Self::set_transaction) can be set before.
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
/// context.inject_to("https://api.example.com/users/7", &mut headers);
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
    scope: Option<Arc<dyn RecorderScope>>,
}

impl PropagationContext {
    pub(crate) fn continued(options: Arc<Options>, incoming: Incoming) -> Self {
        let Incoming { sentry_trace, w3c, dsc, dsc_not_used } = incoming;
        let SentryTrace { trace_id, span_id: parent_span_id, sampled: parent_sampled } =
            sentry_trace;
        let origin = Origin::Continued { parent_sampled, dsc, dsc_not_used, w3c };
        Self {
            span_id: SpanId::random(),
            parent_span_id: Some(parent_span_id),
            trace: Arc::new(Trace::new(options, trace_id, origin)),
            scope: None,
        }
    }

    /// Continues the ids of a trace whose decision and DSC are made here.
    pub(crate) fn decided_here(options: Arc<Options>, incoming: &Incoming) -> Self {
        let SentryTrace { trace_id, span_id: parent_span_id, .. } = incoming.sentry_trace;
        // The caller chose the trace id, and must not choose the random number with it.
        let sample_rand = Some(SampleRand::from_trace_id(TraceId::random()));
        let origin = Origin::Started { reason: None, sample_rand };
        Self {
            span_id: SpanId::random(),
            parent_span_id: Some(parent_span_id),
            trace: Arc::new(Trace::new(options, trace_id, origin)),
            scope: None,
        }
    }

    pub(crate) fn started(options: Arc<Options>, reason: NotContinued) -> Self {
        let origin = Origin::Started { reason: Some(reason), sample_rand: None };
        Self {
            span_id: SpanId::random(),
            parent_span_id: None,
            trace: Arc::new(Trace::new(options, TraceId::random(), origin)),
            scope: None,
        }
    }

    /// Returns a context at the ids and the decision of an external span, such as the transaction of an SDK.
    ///
    /// The next service sees that span as its parent. If the trace is not decided on yet, the span's decision becomes
    /// the decision for all contexts of the trace. If the span is in another trace, this service becomes the head
    /// of that trace.
    ///
    /// For [recorders](crate::recorder), and for tests that need given ids:
    ///
    /// ```
    /// use tracehop::{Propagator, SpanPosition};
    ///
    /// let given = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1".parse()?;
    /// let context = Propagator::builder().build()?.start_new_trace().at_span(SpanPosition::new(given));
    /// assert_eq!(context.trace_data().sentry_trace(), given.to_string());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn at_span(&self, position: SpanPosition) -> Self {
        let SpanPosition { sentry_trace, parent_span_id, sample_rate } = position;
        let SentryTrace { trace_id, span_id, sampled } = sentry_trace;
        let decision = Decision { sampled, own_rate: sample_rate };
        let trace = if trace_id == self.trace_id() {
            Arc::clone(&self.trace)
        } else {
            let reason = self.not_continued().cloned();
            let reason = reason.unwrap_or(NotContinued::OtherTransaction);
            Arc::new(self.trace.with_external_head(trace_id, reason, decision))
        };
        trace.settle(decision);
        Self { span_id, parent_span_id, trace, scope: self.scope.clone() }
    }

    /// Returns the position with the decision as it stands, or as it would be, without making the decision. Until the
    /// decision is made, each call asks the sampler.
    ///
    /// A [recorder](crate::recorder) whose SDK has a sampler of its own starts its span from this, and then settles
    /// the decision by [`at_span`](Self::at_span).
    pub fn provisional_position(&self) -> SpanPosition {
        let Decision { sampled, own_rate: sample_rate } = self.trace.provisional_decision();
        let sentry_trace = SentryTrace::new(self.trace_id(), self.span_id, sampled);
        SpanPosition { sentry_trace, parent_span_id: self.parent_span_id, sample_rate }
    }

    pub(crate) fn options(&self) -> &Arc<Options> {
        &self.trace.options
    }

    /// Returns a context for a span below this one, which the application records itself. It has a new span id, and
    /// the id of this span as its parent.
    ///
    /// If the application records no such span, hand on this context instead: with a child, the next service's parent
    /// span would be missing.
    #[must_use]
    pub fn child(&self) -> Self {
        self.child_of(self.span_id)
    }

    /// Returns a context with a new span id below a given span of this trace.
    #[must_use]
    pub fn child_of(&self, parent_span_id: SpanId) -> Self {
        Self {
            span_id: SpanId::random(),
            parent_span_id: Some(parent_span_id),
            trace: Arc::clone(&self.trace),
            scope: self.scope.clone(),
        }
    }

    /// Returns this context with the environment of a recorder, which [`in_scope`](Self::in_scope) enters.
    #[must_use]
    pub fn with_scope(mut self, scope: Arc<dyn RecorderScope>) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Returns this context without the environment of a recorder.
    #[must_use]
    pub fn without_scope(mut self) -> Self {
        self.scope = None;
        self
    }

    /// Returns the environment of the recorder, if the context carries one.
    pub fn scope(&self) -> Option<&Arc<dyn RecorderScope>> {
        self.scope.as_ref()
    }

    /// Returns the id of the trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace.trace_id
    }

    /// Returns the id of this service's span, new for every trace that is continued or started. The next service
    /// sees this span as its parent.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Returns the parent span: the calling service's, or that of a [child](Self::child); `None` at the head of the
    /// trace.
    pub fn parent_span_id(&self) -> Option<SpanId> {
        self.parent_span_id
    }

    /// Returns the calling service's decision; `None` if it deferred, if the trace began here, or
    /// if the decision is [not trusted](crate::Trust::DecideHere).
    pub fn parent_sampled(&self) -> Option<bool> {
        self.trace.parent_sampled()
    }

    /// Whether the trace began in another service.
    pub fn is_continued(&self) -> bool {
        self.not_continued().is_none()
    }

    /// Returns why the trace was not continued; `None` if it was.
    pub fn not_continued(&self) -> Option<&NotContinued> {
        match &self.trace.origin {
            Origin::Continued { .. } => None,
            Origin::Started { reason, .. } => reason.as_ref(),
        }
    }

    /// Returns why the incoming dynamic sampling context counts as not sent; `None` if it is used, or if there is none.
    /// After [`Trust::DecideHere`](crate::Trust::DecideHere) the reason is always [`DscNotUsed::NotTrusted`].
    pub fn dsc_not_used(&self) -> Option<&DscNotUsed> {
        match &self.trace.origin {
            Origin::Continued { dsc_not_used, .. } => dsc_not_used.as_ref(),
            Origin::Started { reason: None, .. } => Some(&DscNotUsed::NotTrusted),
            Origin::Started { .. } => None,
        }
    }

    /// Names the transaction: a route pattern such as `GET /users/{id}`, never a requested path.
    ///
    /// The sampler sees the name. The DSC has it too, if the trace begins here and is decided on here. A name that is
    /// set later changes neither the decision nor the frozen DSC. An empty or blank text removes the name.
    pub fn set_transaction(&self, name: impl Into<Cow<'static, str>>) {
        let name = Some(name.into()).filter(|name| !name.trim().is_empty());
        self.trace.set_transaction(name, false);
    }

    /// Names the transaction for an adapter, unless the application has named it.
    pub(crate) fn set_route_name(&self, name: String) {
        self.trace.set_transaction(Some(name.into()), true);
    }

    /// Returns the transaction's name, if one is set.
    pub fn transaction(&self) -> Option<Cow<'static, str>> {
        self.trace.transaction()
    }

    /// Whether the transaction's name can have an effect: a sampler sees it, or the DSC is made here with a
    /// decision.
    pub(crate) fn uses_transaction(&self) -> bool {
        let options = self.options();
        let is_own = matches!(self.trace.origin, Origin::Started { .. });
        options.traces_sampler.is_some() || is_own && options.samples()
    }

    /// Returns the sampling decision, and makes it if that was not done; `None` if it is deferred to the next
    /// services.
    ///
    /// In order: the sampler's, the calling service's, the one by `traces_sample_rate`, none.
    pub fn sampled(&self) -> Option<bool> {
        self.trace.decision().sampled
    }

    /// Returns the rate of this service, if that made the decision. Makes the decision if that was not done.
    pub fn sample_rate(&self) -> Option<SampleRate> {
        self.trace.decision().own_rate
    }

    /// Returns the random number of the trace.
    pub fn sample_rand(&self) -> SampleRand {
        self.trace.sample_rand()
    }

    /// Whether this service records spans in sampled traces: it has a rate or a sampler of its own. Without one it is
    /// in *tracing without performance*.
    pub fn records_spans(&self) -> bool {
        self.options().samples()
    }

    /// Whether this service sends the spans of this trace: it [records spans](Self::records_spans), and the trace is
    /// sampled.
    pub fn sends_spans(&self) -> bool {
        self.records_spans() && self.sampled() == Some(true)
    }

    /// Returns the dynamic sampling context, and freezes it if that was not done.
    pub fn dsc(&self) -> &DynamicSamplingContext {
        self.trace.dsc()
    }

    fn sentry_trace(&self) -> SentryTrace {
        SentryTrace::new(self.trace_id(), self.span_id, self.sampled())
    }

    fn traceparent(&self) -> Option<Traceparent> {
        self.options().propagate_traceparent.then(|| {
            let sampled = self.sampled() == Some(true);
            let traceparent = Traceparent::new(self.trace_id(), self.span_id, sampled);
            Traceparent { random_trace_id: self.trace.has_random_trace_id(), ..traceparent }
        })
    }

    /// Whether a server hop records the trace, or has done so.
    pub(crate) fn is_recorded(&self) -> bool {
        self.trace.recordings.get().is_some()
    }

    /// Notes the recordings of the request.
    pub(crate) fn set_recordings(&self, recordings: Weak<dyn RequestRecordings>) {
        let _ = self.trace.recordings.set(recordings);
    }

    /// Returns the recordings of the request, while its server hop lives.
    pub(crate) fn recordings(&self) -> Option<Arc<dyn RequestRecordings>> {
        self.trace.recordings.get()?.upgrade()
    }

    pub(crate) fn set_in_page(&self) {
        self.trace.is_in_page.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_in_page(&self) -> bool {
        self.trace.is_in_page.load(Ordering::Relaxed)
    }
}

impl AsRef<Self> for PropagationContext {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for PropagationContext {
    /// Shows the ids. Decision and DSC are not made for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PropagationContext")
            .field("trace_id", &self.trace.trace_id)
            .field("span_id", &self.span_id)
            .field("parent_span_id", &self.parent_span_id)
            .field("not_continued", &self.not_continued())
            .finish_non_exhaustive()
    }
}
