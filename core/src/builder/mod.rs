//! Setting options.

mod checks;
mod environment;

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "tokio")]
use crate::current::outside_of_any;
use crate::decision::{Sampler, SamplingContext};
use crate::dsn::redacted;
use crate::propagator::Propagator;
use crate::targets::Target;

impl Propagator {
    /// Begins with no options set.
    pub fn builder() -> PropagatorBuilder {
        PropagatorBuilder::default()
    }
}

/// Collects the options of a [`Propagator`]; [`build`](Self::build) checks them.
///
/// Options have the names that they have in the other
/// [SDKs](https://develop.sentry.dev/sdk/foundations/client/configuration/).
/// None is needed: without any, traces are continued and handed on, and decisions deferred.
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
    dsn: Option<Given<String>>,
    org_id: Option<String>,
    release: Option<Given<String>>,
    environment: Option<Given<String>>,
    traces_sample_rate: Option<Given<f64>>,
    traces_sampler: Option<Sampler>,
    strict_trace_continuation: bool,
    trace_propagation_targets: Option<Vec<Target>>,
    propagate_traceparent: bool,
    continue_traceparent: bool,
}

/// A value, and the option or environment variable that it was given as.
#[derive(Debug, Clone)]
struct Given<T> {
    by: &'static str,
    value: T,
}

impl Given<String> {
    /// An empty text is none.
    fn non_empty(self) -> Option<Self> {
        Some(self).filter(|given| !given.value.is_empty())
    }
}

impl PropagatorBuilder {
    /// The [DSN](crate::Dsn) of the project. Its public key goes into the dynamic sampling context, and its
    /// organisation decides which traces are continued. An empty text is no DSN.
    pub fn dsn(mut self, dsn: impl Into<String>) -> Self {
        self.dsn = Some(Given { by: "dsn", value: dsn.into() });
        self
    }

    /// The number of the Sentry organisation, of at most 20 digits. Beats the one in the DSN; self-hosted installations and
    /// relays have none there and should set it.
    pub fn org_id(mut self, org_id: impl ToString) -> Self {
        self.org_id = Some(org_id.to_string());
        self
    }

    /// The release of the application, such as `shop@1.4.0`: at most 200 characters. An empty text is none.
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.release = Some(Given { by: "release", value: release.into() });
        self
    }

    /// The environment that the application runs in: at most 64 characters. `production` if not set or
    /// empty.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(Given { by: "environment", value: environment.into() });
        self
    }

    /// The share of traces to sample, from 0 to 1, where neither a sampler nor the calling service decides.
    ///
    /// Not set, decisions are deferred (*tracing without performance*). That is not a rate of 0, which
    /// decides "no". See Sentry's [traces](https://develop.sentry.dev/sdk/telemetry/traces/).
    pub fn traces_sample_rate(mut self, rate: f64) -> Self {
        self.traces_sample_rate = Some(Given { by: "traces_sample_rate", value: rate });
        self
    }

    /// A function that gives the rate for each trace. Beats the calling service's decision and
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
    /// It is called when the decision is first asked for, by whoever asks, and once a trace unless it
    /// panics. It is in no trace itself: the current one is none. It must not ask the
    /// context that it decides for about anything that its decision settles, as it would wait for itself.
    /// An answer that is not from 0 to 1 means 0.
    pub fn traces_sampler<F>(mut self, sampler: F) -> Self
    where
        F: Fn(&SamplingContext<'_>) -> f64 + Send + Sync + 'static,
    {
        // A client or a logger that a sampler uses would ask the current trace for the decision that is being
        // made, and wait for ever.
        #[cfg(feature = "tokio")]
        let sampler = move |context: &SamplingContext<'_>| outside_of_any(|| sampler(context));
        self.traces_sampler = Some(Arc::new(sampler));
        self
    }

    /// Whether a trace is only continued if both services, or neither, say which organisation is theirs.
    /// Off by default: one of the two is then enough, if it is not another one. See
    /// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/).
    pub fn strict_trace_continuation(mut self, strict: bool) -> Self {
        self.strict_trace_continuation = strict;
        self
    }

    /// The requests that get trace headers, by their URL. Not set: every request; set and empty: none. See
    /// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/), and [`Target`] for what
    /// each kind compares.
    pub fn trace_propagation_targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.trace_propagation_targets = Some(targets.into_iter().collect());
        self
    }

    /// Whether requests get a [W3C `traceparent`](https://www.w3.org/TR/trace-context-2/) as well. Off by
    /// default.
    pub fn propagate_traceparent(mut self, propagate: bool) -> Self {
        self.propagate_traceparent = propagate;
        self
    }

    /// Whether a request without `sentry-trace` is continued from its
    /// [W3C `traceparent`](https://www.w3.org/TR/trace-context-2/). Off by default.
    ///
    /// Its `tracestate` is then passed on, beside the `traceparent` that
    /// [`propagate_traceparent`](Self::propagate_traceparent) writes; alone it would mean nothing.
    pub fn continue_traceparent(mut self, continue_: bool) -> Self {
        self.continue_traceparent = continue_;
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
            .field("trace_propagation_targets", &self.trace_propagation_targets)
            .field("propagate_traceparent", &self.propagate_traceparent)
            .field("continue_traceparent", &self.continue_traceparent)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_ever_shown() {
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
