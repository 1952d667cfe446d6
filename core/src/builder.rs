//! Setting options.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

#[cfg(feature = "tokio")]
use crate::current::outside_of_any;
use crate::decision::{Sampler, SamplingContext};
use crate::dsn::{Dsn, is_org_id, redacted};
use crate::error::{BuildError, BuildErrorKind};
use crate::options::Options;
use crate::propagator::Propagator;
use crate::sampling::{SampleError, SampleRate};
use crate::shared_cache::SharedPages;
use crate::targets::{Target, TracePropagationTargets};
use crate::wire::Baggage;

/// Characters of a [release](https://docs.sentry.io/product/releases/naming-releases/) that Sentry keeps.
const MAX_RELEASE: usize = 200;

/// Characters of an [environment](https://docs.sentry.io/concepts/key-terms/environments/) that Sentry keeps.
const MAX_ENVIRONMENT: usize = 64;

impl Propagator {
    /// Begins with no options set.
    pub fn builder() -> PropagatorBuilder {
        PropagatorBuilder::default()
    }

    /// A propagator with the options in the environment. To set more,
    /// use [`PropagatorBuilder::from_env`].
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, BuildError> {
        PropagatorBuilder::from_env()?.build()
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
    /// The options in `SENTRY_DSN`, `SENTRY_RELEASE`, `SENTRY_ENVIRONMENT` and
    /// `SENTRY_TRACES_SAMPLE_RATE`. A variable that is empty counts as not set.
    ///
    /// # Errors
    ///
    /// A variable that is not UTF-8, or a rate that is not a number. All else is checked by
    /// [`build`](Self::build).
    pub fn from_env() -> Result<Self, BuildError> {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, BuildError> {
        let text = |by: &'static str| match variable(by).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Given { by, value }.non_empty()),
            Some(Err(value)) => {
                let value = redacted(&value.to_string_lossy());
                Err(BuildError::new(by, value, BuildErrorKind::NotUnicode))
            }
        };
        let rate = |Given { by, value }: Given<String>| match value.parse() {
            Ok(value) => Ok(Given { by, value }),
            Err(error) => {
                let kind = BuildErrorKind::SampleRate(SampleError::Number(error));
                Err(BuildError::new(by, value, kind))
            }
        };
        Ok(Self {
            dsn: text("SENTRY_DSN")?,
            release: text("SENTRY_RELEASE")?,
            environment: text("SENTRY_ENVIRONMENT")?,
            traces_sample_rate: text("SENTRY_TRACES_SAMPLE_RATE")?.map(rate).transpose()?,
            ..Self::default()
        })
    }

    /// The [DSN](Dsn) of the project. Its public key goes into the dynamic sampling context, and its
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

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// The first option whose value cannot be used, with the value and what is allowed.
    pub fn build(self) -> Result<Propagator, BuildError> {
        let dsn = self.dsn.and_then(Given::non_empty).map(parse_dsn).transpose()?;
        let org_id = match self.org_id {
            Some(id) if !is_org_id(&id) => {
                return Err(BuildError::new("org_id", id, BuildErrorKind::OrgId));
            }
            Some(id) => Some(id),
            None => dsn.as_ref().and_then(|dsn| dsn.org_id().map(str::to_owned)),
        };
        let text = |given: Option<Given<String>>, limit| {
            given.and_then(Given::non_empty).map(|given| check_text(given, limit)).transpose()
        };
        let release = text(self.release, MAX_RELEASE)?;
        let environment = text(self.environment, MAX_ENVIRONMENT)?;

        let mut constant_items = Baggage::new();
        for (key, value) in [
            ("sentry-public_key", dsn.as_ref().map(Dsn::public_key)),
            ("sentry-org_id", org_id.as_deref()),
            ("sentry-release", release.as_deref()),
            ("sentry-environment", Some(environment.as_deref().unwrap_or("production"))),
        ] {
            if let Some(value) = value {
                // All lengths are checked by now, and far from a limit.
                let _ = constant_items.push(key, value);
            }
        }
        Ok(Propagator::new(Options {
            constant_items,
            org_id: org_id.map(Into::into),
            traces_sample_rate: self.traces_sample_rate.map(check_rate).transpose()?,
            traces_sampler: self.traces_sampler,
            strict_trace_continuation: self.strict_trace_continuation,
            trace_propagation_targets: self.trace_propagation_targets.map(targets).transpose()?,
            propagate_traceparent: self.propagate_traceparent,
            continue_traceparent: self.continue_traceparent,
            shared_pages: SharedPages::default(),
            #[cfg(feature = "sentry")]
            running: crate::sentry::Running::default(),
        }))
    }
}

fn parse_dsn(Given { by, value }: Given<String>) -> Result<Dsn, BuildError> {
    let dsn = value.parse();
    dsn.map_err(|error| BuildError::new(by, redacted(&value), BuildErrorKind::Dsn(error)))
}

fn check_text(Given { by, value }: Given<String>, limit: usize) -> Result<String, BuildError> {
    if value.chars().count() > limit || value.chars().any(char::is_control) {
        return Err(BuildError::new(by, value, BuildErrorKind::Text { limit }));
    }
    Ok(value)
}

fn check_rate(Given { by, value }: Given<f64>) -> Result<SampleRate, BuildError> {
    let rate = SampleRate::new(value);
    rate.map_err(|error| BuildError::new(by, value.to_string(), BuildErrorKind::SampleRate(error)))
}

fn targets(targets: Vec<Target>) -> Result<TracePropagationTargets, BuildError> {
    TracePropagationTargets::compile(targets).map_err(|(target, error)| {
        let kind = BuildErrorKind::Target(error);
        BuildError::new("trace_propagation_targets", target.as_str(), kind)
    })
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
    fn a_bad_option_is_named_with_its_value_and_what_is_allowed() {
        let new = PropagatorBuilder::default;
        let targets = |targets: &[Target]| new().trace_propagation_targets(targets.iter().cloned());
        let long = "x".repeat(65);
        let table = [
            (new().dsn("nonsense"), "dsn", "…", "a DSN is a URL such as https://"),
            (new().dsn("ftp://hush@o1.example/1"), "dsn", "…@o1.example", "is http or https"),
            (new().dsn("https://o1.example/1"), "dsn", "https://…", "its public key in front"),
            (new().dsn("https://hush@o1.example/"), "dsn", "https://…@o1.example", "its project"),
            (new().org_id("my-company"), "org_id", "my-company", "is a number of at most 20"),
            (new().org_id(""), "org_id", "", "is a number of at most 20"),
            (new().org_id("9".repeat(21)), "org_id", &"9".repeat(21), "is a number of at most 20"),
            (new().release("a\nb"), "release", "a\nb", "at most 200 characters"),
            (new().environment(&long), "environment", &long, "at most 64 characters"),
            (new().traces_sample_rate(1.5), "traces_sample_rate", "1.5", "a number from 0 to 1"),
            (
                new().traces_sample_rate(f64::NAN),
                "traces_sample_rate",
                "NaN",
                "a number from 0 to 1",
            ),
            (
                targets(&[Target::contains("/api"), Target::contains("")]),
                "trace_propagation_targets",
                "",
                "an empty text matches every URL",
            ),
            (
                targets(&[Target::origin("example.com")]),
                "trace_propagation_targets",
                "example.com",
                "an origin is a scheme, a host",
            ),
            (
                targets(&[Target::host("a/b"), Target::contains("/api")]),
                "trace_propagation_targets",
                "a/b",
                "a host is a name in ASCII",
            ),
        ];
        for (builder, option, value, allowed) in table {
            let error = builder.build().unwrap_err();
            assert_eq!((error.option(), error.value()), (option, value));
            let text = error.to_string();
            assert!(text.starts_with(&format!("option {option} is {value:?}: ")), "{text}");
            assert!(text.contains(allowed), "{text}");
            // What a `main` that returns it shows.
            assert_eq!(format!("{error:?}"), text);
        }
    }

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

    #[test]
    fn the_environment_variables_are_the_options_and_empty_ones_are_not_set() {
        let vars = |pairs: &'static [(&str, &str)]| {
            PropagatorBuilder::from_variables(|name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            })
        };
        let builder = vars(&[
            ("SENTRY_DSN", "https://key@o7.ingest.sentry.io/1"),
            ("SENTRY_RELEASE", "shop@1"),
            ("SENTRY_ENVIRONMENT", "stage"),
            ("SENTRY_TRACES_SAMPLE_RATE", "0.5"),
        ])
        .unwrap();
        let dsc = builder.build().unwrap().start_new_trace().dsc().clone();
        assert_eq!(dsc.public_key().as_deref(), Some("key"));
        assert_eq!(dsc.org_id().as_deref(), Some("7"));
        assert_eq!(dsc.release().as_deref(), Some("shop@1"));
        assert_eq!(dsc.environment().as_deref(), Some("stage"));
        assert_eq!(dsc.sample_rate().map(SampleRate::get), Some(0.5));

        let empty = vars(&[
            ("SENTRY_DSN", ""),
            ("SENTRY_RELEASE", ""),
            ("SENTRY_ENVIRONMENT", ""),
            ("SENTRY_TRACES_SAMPLE_RATE", ""),
        ])
        .unwrap();
        let dsc = empty.build().unwrap().start_new_trace().dsc().clone();
        assert_eq!((dsc.public_key(), dsc.release(), dsc.sample_rate()), (None, None, None));
        assert_eq!(dsc.environment().as_deref(), Some("production"));

        for (name, value, shown) in [
            ("SENTRY_DSN", "hush", "…"),
            ("SENTRY_RELEASE", "a\tb", "a\tb"),
            ("SENTRY_ENVIRONMENT", "a\tb", "a\tb"),
            ("SENTRY_TRACES_SAMPLE_RATE", "25%", "25%"),
            ("SENTRY_TRACES_SAMPLE_RATE", "25", "25"),
        ] {
            let builder =
                PropagatorBuilder::from_variables(|known| (known == name).then(|| value.into()));
            let error = builder.and_then(PropagatorBuilder::build).unwrap_err();
            assert_eq!((error.option(), error.value()), (name, shown));
            let text = error.to_string();
            assert!(text.starts_with(&format!("variable {name} is {shown:?}: ")), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_environment_variable_that_is_not_utf_8_is_named() {
        use std::os::unix::ffi::OsStringExt;

        let error = PropagatorBuilder::from_variables(|name| {
            (name == "SENTRY_RELEASE").then(|| OsString::from_vec(vec![b'x', 0xff]))
        })
        .unwrap_err();
        assert_eq!((error.option(), error.kind()), ("SENTRY_RELEASE", &BuildErrorKind::NotUnicode));
    }

    #[test]
    fn the_longest_options_fit_into_the_baggage() {
        let options = PropagatorBuilder::default()
            .dsn(format!("https://{}@{}.example/1", "k".repeat(128), "h".repeat(200)))
            .org_id(u64::MAX)
            .release("日".repeat(200))
            .environment("本".repeat(64))
            .traces_sample_rate(0.25)
            .build()
            .unwrap();
        let context = options.start_new_trace();
        context.set_transaction("x".repeat(9_000));
        let names: Vec<_> = context.dsc().iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(
            names,
            [
                "trace_id",
                "sample_rand",
                "sample_rate",
                "sampled",
                "public_key",
                "org_id",
                "release",
                "environment"
            ]
        );
    }
}
