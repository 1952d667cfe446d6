//! Checks options.

use std::fmt::Display;
use std::sync::Arc;

use super::Propagator;
use super::builder::{Given, PropagatorBuilder};
use super::dsn::{Dsn, is_org_id, redacted};
use super::error::{BuildError, BuildErrorKind};
use crate::context::{Options, Warnings};
use crate::recorder::SdkOptions;
use crate::sampling::SampleRate;
use crate::targets::{Matchers, Target, TargetRules, Tunnel, redact_url};
use crate::wire::Baggage;

/// Characters of a [release](https://docs.sentry.io/product/releases/naming-releases/) that Sentry keeps.
const MAX_RELEASE: usize = 200;

/// Characters of an [environment](https://docs.sentry.io/concepts/key-terms/environments/) that Sentry keeps.
const MAX_ENVIRONMENT: usize = 64;

impl PropagatorBuilder {
    /// Checks the options and makes the propagator.
    ///
    /// # Errors
    ///
    /// The first option whose value cannot be used, with the value and what is allowed.
    pub fn build(mut self) -> Result<Propagator, BuildError> {
        for recorder in &self.recorders {
            let SdkOptions { dsn, release, environment, traces_sample_rate } =
                recorder.sdk_options();
            agree("dsn", &mut self.dsn, dsn, is_same_dsn)?;
            agree("release", &mut self.release, release, PartialEq::eq)?;
            agree("environment", &mut self.environment, environment, PartialEq::eq)?;
            let rate = traces_sample_rate;
            agree("traces_sample_rate", &mut self.traces_sample_rate, rate, PartialEq::eq)?;
        }
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
                // All lengths are checked above, and the sum is far below the limit.
                let _ = constant_items.push(key, value);
            }
        }
        let only = self.trace_propagation_targets;
        let targets = TargetRules {
            targets: only
                .map(|list| check_targets("trace_propagation_targets", list))
                .transpose()?,
            exceptions: check_targets(
                "trace_propagation_exceptions",
                self.trace_propagation_exceptions,
            )?,
            sentry: dsn.as_ref().and_then(|dsn| dsn.no_target().cloned()),
            tunnel: self.tunnel.map(check_tunnel).transpose()?,
        };
        let options = Options {
            constant_items,
            org_id: org_id.map(Into::into),
            traces_sample_rate: self.traces_sample_rate.map(check_rate).transpose()?,
            traces_sampler: self.traces_sampler,
            strict_trace_continuation: self.strict_trace_continuation,
            targets,
            propagate_traceparent: self.propagate_traceparent,
            continue_traceparent: self.continue_traceparent,
            span_id_per_request: self.span_id_per_request,
            warned_routes: Warnings::default(),
            warned_origins: Warnings::default(),
        };
        Ok(Propagator {
            options: Arc::new(options),
            dsn: dsn.map(Arc::new),
            trust_incoming: self.trust_incoming,
            recorders: self.recorders.into(),
        })
    }
}

/// Takes an option of a recorder's SDK. A value that the builder was given must be the same.
fn agree<T: Display>(
    option: &'static str,
    given: &mut Option<Given<T>>,
    of_sdk: Option<T>,
    is_same: impl FnOnce(&T, &T) -> bool,
) -> Result<(), BuildError> {
    let Some(of_sdk) = of_sdk else { return Ok(()) };
    match given {
        Some(given) if !is_same(&given.value, &of_sdk) => {
            let shown = |value: &T| {
                let value = value.to_string();
                if option == "dsn" { redacted(&value) } else { value }
            };
            let kind = BuildErrorKind::Sdk { value: shown(&of_sdk) };
            Err(BuildError::new(given.by, shown(&given.value), kind))
        }
        Some(_) => Ok(()),
        None => {
            *given = Some(Given { by: option, value: of_sdk });
            Ok(())
        }
    }
}

#[expect(clippy::ptr_arg, reason = "`agree` compares options of the type `String`")]
fn is_same_dsn(a: &String, b: &String) -> bool {
    match (a.parse::<Dsn>(), b.parse::<Dsn>()) {
        (Ok(a), Ok(b)) => a == b,
        // The error for an invalid DSN comes later.
        _ => true,
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

fn check_targets(option: &'static str, targets: Vec<Target>) -> Result<Matchers, BuildError> {
    Matchers::new(targets).map_err(|(target, error)| {
        BuildError::new(option, target.as_str(), BuildErrorKind::Target(error))
    })
}

fn check_tunnel(url: String) -> Result<Tunnel, BuildError> {
    let error = || BuildError::new("tunnel", redact_url(&url), BuildErrorKind::Tunnel);
    Tunnel::new(&url).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_option_value_and_what_is_allowed() {
        let new = PropagatorBuilder::default;
        let targets = |targets: &[Target]| new().trace_propagation_targets(targets.iter().cloned());
        let long = "x".repeat(65);
        let table = [
            (new().dsn("nonsense"), "dsn", "…", "a DSN is a URL such as https://"),
            (new().dsn("ftp://hush@o1.example/1"), "dsn", "…@o1.example", "is http or https"),
            (new().dsn("https://o1.example/1"), "dsn", "https://…", "its public key in front"),
            (new().dsn("https://hush@o1.example/"), "dsn", "https://…@o1.example", "its project"),
            (new().org_id("my-company"), "org_id", "my-company", "is a number of at most 20"),
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
            (
                new().trace_propagation_exceptions([Target::host("127.1")]),
                "trace_propagation_exceptions",
                "127.1",
                "an address in full",
            ),
            (new().tunnel("/tunnel?hush"), "tunnel", "/tunnel", "is the absolute URL"),
        ];
        for (builder, option, value, allowed) in table {
            let error = builder.build().unwrap_err();
            assert_eq!((error.option(), error.value()), (option, value));
            let text = error.to_string();
            assert!(text.starts_with(&format!("option {option} is {value:?}: ")), "{text}");
            assert!(text.contains(allowed), "{text}");
            // A `main` that returns the error shows `Debug`.
            assert_eq!(format!("{error:?}"), text);
        }
    }

    /// A DSN as errors show it.
    const DSN: &str = "https://…@o7.example";

    /// A recorder whose SDK has options.
    struct WithOptions(SdkOptions);

    impl crate::recorder::Recorder for WithOptions {
        fn sdk_options(&self) -> SdkOptions {
            self.0.clone()
        }
    }

    #[test]
    fn sdk_options_are_taken_or_must_agree() {
        let sdk = SdkOptions {
            dsn: Some("https://hush@o7.example/1".to_owned()),
            release: Some("shop@1".to_owned()),
            environment: Some("development".to_owned()),
            traces_sample_rate: Some(0.25),
        };
        let builder = || PropagatorBuilder::default().recorder(WithOptions(sdk.clone()));
        let agreeing = builder()
            .dsn(" https://hush@o7.example/1/")
            .release("shop@1")
            .environment("development")
            .traces_sample_rate(0.25);
        for builder in [builder(), agreeing] {
            let dsc = builder.build().unwrap().start_new_trace().dsc().clone();
            let members = dsc.to_string();
            for member in ["release=shop%401", "environment=development", "sample_rate=0.25"] {
                assert!(members.contains(member), "{members}");
            }
            assert_eq!(dsc.org_id().as_deref(), Some("7"));
        }
        for (builder, option, value, of_sdk) in [
            (builder().dsn("https://other@o7.example/1"), "dsn", DSN, DSN),
            (builder().release("shop@2"), "release", "shop@2", "shop@1"),
            (builder().environment("stage"), "environment", "stage", "development"),
            (builder().traces_sample_rate(1.0), "traces_sample_rate", "1", "0.25"),
        ] {
            let error = builder.build().unwrap_err();
            assert_eq!((error.option(), error.value()), (option, value));
            let text = error.to_string();
            assert!(text.contains(&format!("{of_sdk:?}")) && !text.contains("hush"), "{text}");
        }
    }

    #[test]
    fn the_longest_options_fit_into_baggage() {
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

    #[test]
    fn an_empty_organisation_counts_as_not_set() {
        let dsn = "https://key@o7.ingest.sentry.io/1";
        let propagator = PropagatorBuilder::default().dsn(dsn).org_id("").build().unwrap();
        assert_eq!(propagator.start_new_trace().dsc().org_id().as_deref(), Some("7"));
    }
}
