//! Collects options.

use std::fmt;
use std::sync::Arc;

use super::Propagator;
use super::dsn::redacted;
use super::trust::{IncomingTrace, Trust, TrustPolicy};
use crate::context::outside_of_any;
use crate::recorder::Recorder;
use crate::sampling::{Sampler, SamplingContext};
use crate::targets::{Target, redact_url};

impl Propagator {
    /// Starts with no options set.
    pub fn builder() -> PropagatorBuilder {
        PropagatorBuilder::default()
    }
}

/// Collects the options of a [`Propagator`]; [`build`](Self::build) checks them.
///
/// Options have the names of the other
/// [SDKs](https://develop.sentry.dev/sdk/foundations/client/configuration/).
/// All are optional: without any, traces are continued and handed on, and decisions deferred.
///
/// ```
/// use tracehop::{Propagator, Target};
///
/// let propagator = Propagator::builder()
///     .dsn("https://key@o123.ingest.sentry.io/42")
///     .release("shop@1.4.0")
///     .environment("staging")
///     .traces_sample_rate(0.25)
///     .trace_propagation_targets([Target::domain("internal.example")])
///     .build()?;
///
/// let error = Propagator::builder().traces_sample_rate(25.0).build().unwrap_err();
/// assert_eq!(error.option(), "traces_sample_rate");
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "nothing is propagated until the propagator is built and used"]
pub struct PropagatorBuilder {
    pub(super) dsn: Option<Given<String>>,
    pub(super) org_id: Option<String>,
    pub(super) release: Option<Given<String>>,
    pub(super) environment: Option<Given<String>>,
    pub(super) traces_sample_rate: Option<Given<f64>>,
    pub(super) traces_sampler: Option<Sampler>,
    pub(super) strict_trace_continuation: bool,
    pub(super) trust_incoming: Option<TrustPolicy>,
    pub(super) trace_propagation_targets: Option<Vec<Target>>,
    pub(super) trace_propagation_exceptions: Vec<Target>,
    pub(super) tunnel: Option<String>,
    pub(super) propagate_traceparent: bool,
    pub(super) continue_traceparent: bool,
    pub(super) span_id_per_request: bool,
    pub(super) recorders: Vec<Arc<dyn Recorder>>,
}

/// A value, and the option or environment variable that has it.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) by: &'static str,
    pub(super) value: T,
}

impl Given<String> {
    /// An empty text counts as not set.
    pub(super) fn non_empty(self) -> Option<Self> {
        Some(self).filter(|given| !given.value.is_empty())
    }
}

impl PropagatorBuilder {
    /// Sets the [DSN](crate::Dsn) of the project. Its public key becomes part of the dynamic sampling context, and its
    /// organisation decides which traces are continued. An empty text counts as not set.
    ///
    /// Requests to the DSN's host get no trace headers, as Sentry's
    /// [SDKs](https://develop.sentry.dev/sdk/foundations/trace-propagation/) must not trace their own. If the DSN has a
    /// port other than 80 and 443, such as `:9000`, this holds for that port of the host alone.
    pub fn dsn(mut self, dsn: impl Into<String>) -> Self {
        self.dsn = Some(Given { by: "dsn", value: dsn.into() });
        self
    }

    /// Sets the number of the Sentry organisation, of at most 20 digits. It has priority over the one in the DSN.
    /// Self-hosted installations and Relays have none in the DSN and should set it. An empty text counts as not set.
    pub fn org_id(mut self, org_id: impl ToString) -> Self {
        self.org_id = Some(org_id.to_string()).filter(|id| !id.is_empty());
        self
    }

    /// Sets the release of the application, such as `shop@1.4.0`: at most 200 characters. An empty text counts as
    /// not set.
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.release = Some(Given { by: "release", value: release.into() });
        self
    }

    /// Sets the environment that the application runs in: at most 64 characters. `production` if not set or
    /// empty.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(Given { by: "environment", value: environment.into() });
        self
    }

    /// Sets the share of traces to sample, from 0 to 1, where neither a sampler nor the calling service decides.
    ///
    /// Not set, decisions are deferred (*tracing without performance*). A rate of 0 is a decision: not
    /// sampled. See Sentry's [traces](https://develop.sentry.dev/sdk/telemetry/traces/).
    pub fn traces_sample_rate(mut self, rate: f64) -> Self {
        self.traces_sample_rate = Some(Given { by: "traces_sample_rate", value: rate });
        self
    }

    /// Sets a function that returns the rate for each trace. It has priority over the calling service's decision and
    /// [`traces_sample_rate`](Self::traces_sample_rate), as in Sentry's
    /// [order of precedence](https://develop.sentry.dev/sdk/telemetry/traces/).
    ///
    /// ```
    /// use tracehop::{Propagator, SamplingContext};
    ///
    /// fn rate(trace: &SamplingContext<'_>) -> f64 {
    ///     match trace.name() {
    ///         Some("GET /health") => 0.0,
    ///         _ => trace.inherit_or_sample_with(0.2),
    ///     }
    /// }
    ///
    /// let propagator = Propagator::builder().traces_sampler(rate).build()?;
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    ///
    /// The function is called when the decision is first needed, once for each trace, and before that for each
    /// [`provisional_position`](crate::PropagationContext::provisional_position). It runs without a current context. It
    /// must not ask the context that it decides for about the decision: that call would never return.
    ///
    /// An answer that is not from 0 to 1 means 0. If the function panics, the trace is decided on as if there were no
    /// sampler, with an error in the log (feature `tracing`).
    pub fn traces_sampler<F>(mut self, sampler: F) -> Self
    where
        F: Fn(&SamplingContext<'_>) -> f64 + Send + Sync + 'static,
    {
        // A client or a logger of a sampler would ask the current trace for the decision that is being made, and
        // wait forever.
        let sampler = move |context: &SamplingContext<'_>| outside_of_any(|| sampler(context));
        self.traces_sampler = Some(Arc::new(sampler));
        self
    }

    /// Sets whether a trace is continued only if both organisations are known and equal, or neither is known. Off by
    /// default: a trace is then continued as well if only one is known. See
    /// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/).
    pub fn strict_trace_continuation(mut self, strict: bool) -> Self {
        self.strict_trace_continuation = strict;
        self
    }

    /// Sets a policy for incoming traces, for a service at a public edge. Without one, each trace is continued that the
    /// other options allow.
    ///
    /// ```
    /// use tracehop::{IncomingTrace, Network, Propagator, Trust};
    ///
    /// let own: Network = "10.0.0.0/8".parse()?;
    /// let trust = move |trace: &IncomingTrace<'_>| match trace.peer() {
    ///     Some(peer) if own.contains(peer) => Trust::Continue,
    ///     // The traces of other callers stay whole, but the callers cannot choose the decision.
    ///     _ => Trust::DecideHere,
    /// };
    /// let propagator = Propagator::builder().trust_incoming(trust).traces_sample_rate(0.1).build()?;
    ///
    /// let received = [("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1")];
    /// let trace = propagator.continue_trace(&received);
    /// assert!(trace.is_continued() && trace.parent_sampled().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The policy is asked once for each trace that would be continued. It sees the peer's address, the route and the
    /// incoming values. If the policy panics, a new trace begins, with an error in the log (feature `tracing`).
    pub fn trust_incoming<F>(mut self, policy: F) -> Self
    where
        F: Fn(&IncomingTrace<'_>) -> Trust + Send + Sync + 'static,
    {
        self.trust_incoming = Some(Arc::new(policy));
        self
    }

    /// Sets which requests get trace headers, by their URL. Not set: every request. Set and empty: none. See
    /// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/), and [`Target`] for what
    /// each kind compares.
    pub fn trace_propagation_targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.trace_propagation_targets = Some(targets.into_iter().collect());
        self
    }

    /// Sets which requests get no trace headers, also if they are
    /// [targets](Self::trace_propagation_targets). Empty by default.
    ///
    /// A typed exception also keeps headers from URLs that a client may repair to the exception's host: a text that is
    /// no absolute URL, and a host that is an address in an unusual spelling, such as `http://2130706433/`.
    ///
    /// ```
    /// use tracehop::{Propagator, Target};
    ///
    /// let propagator = Propagator::builder()
    ///     .trace_propagation_targets([Target::domain("example.com")])
    ///     .trace_propagation_exceptions([Target::host("cdn.example.com")])
    ///     .build()?;
    /// let trace = propagator.start_new_trace();
    /// assert!(trace.propagates_to("https://api.example.com/stock"));
    /// assert!(!trace.propagates_to("https://cdn.example.com/logo.svg"));
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    pub fn trace_propagation_exceptions(
        mut self,
        exceptions: impl IntoIterator<Item = Target>,
    ) -> Self {
        self.trace_propagation_exceptions = exceptions.into_iter().collect();
        self
    }

    /// Sets the absolute URL that the application sends its events to instead of the DSN's host, a
    /// [tunnel](https://docs.sentry.io/platforms/javascript/troubleshooting/#using-the-tunnel-option). Requests to
    /// this URL, with any query, get no trace headers. An empty text counts as not set.
    ///
    /// ```
    /// # use tracehop::Propagator;
    /// let propagator = Propagator::builder().tunnel("https://shop.example.com/tunnel").build()?;
    /// let trace = propagator.start_new_trace();
    /// assert!(!trace.propagates_to("https://shop.example.com/tunnel?o=1"));
    /// assert!(trace.propagates_to("https://shop.example.com/stock"));
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    pub fn tunnel(mut self, url: impl Into<String>) -> Self {
        self.tunnel = Some(url.into()).filter(|url| !url.is_empty());
        self
    }

    /// Sets whether requests get a [W3C `traceparent`](https://www.w3.org/TR/trace-context-2/) as well. Off by
    /// default.
    pub fn propagate_traceparent(mut self, propagate: bool) -> Self {
        self.propagate_traceparent = propagate;
        self
    }

    /// Sets whether a request without `sentry-trace` is continued from its
    /// [W3C `traceparent`](https://www.w3.org/TR/trace-context-2/). Off by default.
    ///
    /// With [`propagate_traceparent`](Self::propagate_traceparent), the `tracestate` and the random flag of an incoming
    /// `traceparent` are handed on. A `traceparent` beside a `sentry-trace` of the same trace has the same effect, also
    /// if this option is off.
    pub fn continue_traceparent(mut self, continue_: bool) -> Self {
        self.continue_traceparent = continue_;
        self
    }

    /// Sets whether each request of a client has a span id of its own, as
    /// [W3C Trace Context](https://www.w3.org/TR/trace-context-2/#parent-id) wants it. Off by default: all requests carry
    /// the id of the span that makes them.
    ///
    /// A [recorder](Self::recorder) that records the request as a span has priority: the request carries that span's id.
    /// Without one, no span has the id that is sent, and Sentry shows the next service below a missing span.
    ///
    /// The adapters for clients do this. With [`inject`](crate::PropagationContext::inject), write a
    /// [`child`](crate::PropagationContext::child) into each request.
    pub fn span_id_per_request(mut self, per_request: bool) -> Self {
        self.span_id_per_request = per_request;
        self
    }

    /// Adds a recorder, which records what happens in the traces of this propagator: see
    /// [`recorder`](crate::recorder). A recorder that is added later is inside of those before.
    pub fn recorder(mut self, recorder: impl Recorder) -> Self {
        self.recorders.push(Arc::new(recorder));
        self
    }
}

impl fmt::Debug for PropagatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PropagatorBuilder")
            .field("dsn", &self.dsn.as_ref().map(|given| redacted(&given.value)))
            .field("org_id", &self.org_id)
            .field("release", &self.release.as_ref().map(|given| &given.value))
            .field("environment", &self.environment.as_ref().map(|given| &given.value))
            .field(
                "traces_sample_rate",
                &self.traces_sample_rate.as_ref().map(|given| &given.value),
            )
            .field("traces_sampler", &self.traces_sampler.is_some())
            .field("strict_trace_continuation", &self.strict_trace_continuation)
            .field("trust_incoming", &self.trust_incoming.is_some())
            .field("trace_propagation_targets", &self.trace_propagation_targets)
            .field("trace_propagation_exceptions", &self.trace_propagation_exceptions)
            .field("tunnel", &self.tunnel.as_deref().map(redact_url))
            .field("propagate_traceparent", &self.propagate_traceparent)
            .field("continue_traceparent", &self.continue_traceparent)
            .field("span_id_per_request", &self.span_id_per_request)
            .field("recorders", &self.recorders.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_errors_show_no_keys() {
        let builder = PropagatorBuilder::default().dsn("https://hush1:hush2@o1.example/42");
        let builder = builder.release("shop@1.4.0");
        let shown = format!("{builder:?}");
        assert!(shown.contains("…@o1.example") && !shown.contains("hush"), "{shown}");
        let propagator = builder.build().unwrap();
        let shown = format!("{propagator:?}");
        assert!(shown.contains("shop@1.4.0") && !shown.contains("hush"), "{shown}");
        let context = propagator.start_new_trace();
        let shown = format!("{context:?}");
        assert!(
            shown.contains(&context.span_id().to_string()) && !shown.contains("hush"),
            "{shown}"
        );
        let error = PropagatorBuilder::default().dsn("https://hush@/42").build().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}
