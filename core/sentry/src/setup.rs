//! One set of options for the SDK and the propagator.

use std::mem::take;
use std::sync::Arc;

use sentry_core::protocol::{Log, Metric};
use sentry_core::{
    ClientOptions, TracesSampler, TracesSamplingStrategy, TransactionContext, TransportFactory,
    TransportOptions,
};
use tracehop::recorder::SdkOptions;
use tracehop::{PropagationContext, Propagator, PropagatorBuilder, SamplingContext};

use crate::SentryRecorder;
#[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
use crate::http_transport::HttpTransportFactory;
use crate::ids::{is_by_chance, sdk_span_id, sdk_trace_id};
use crate::scope::HubScope;

/// Starts a propagator that shares the options of Sentry's SDK and records with it.
///
/// The options are completed as `sentry::init` does it, with the variables `SENTRY_DSN`, `SENTRY_RELEASE` and
/// `SENTRY_ENVIRONMENT`. The propagator has the same DSN, organisation, release, environment, sample rate or sampler, and
/// strictness, so that headers and envelopes agree. An option of the builder that is set to another value is an
/// [error](tracehop::BuildErrorKind::Sdk).
///
/// The transport of the options is [wrapped](SentryRecorder::transport), or replaced if there is none and a
/// [feature](crate#features) for it is on. Logs and metrics that are captured in a
/// request with a hub of no trace are put into its trace.
///
/// Call this before `sentry::init`, with the options that `sentry::init` then takes:
///
/// ```
/// let mut options = sentry::ClientOptions::new()
///     .dsn("https://key@o123.ingest.sentry.io/42")
///     .maybe_release(sentry::release_name!())
///     .traces_sample_rate(0.25);
/// let propagator = tracehop_sentry::propagator_builder(&mut options).build()?;
/// let _guard = sentry::init(options);
/// # Ok::<(), tracehop::BuildError>(())
/// ```
pub fn propagator_builder(options: &mut ClientOptions) -> PropagatorBuilder {
    SentryRecorder::new().propagator_builder(options)
}

impl SentryRecorder {
    /// Starts a propagator with this recorder: see [`propagator_builder`].
    pub fn propagator_builder(&self, options: &mut ClientOptions) -> PropagatorBuilder {
        let is_given = options.transport.is_some();
        *options = sentry::apply_defaults(take(options));
        // They are among the integrations now. `sentry::init` would add them once more.
        options.default_integrations = false;

        let mut builder =
            Propagator::builder().strict_trace_continuation(options.strict_trace_continuation);
        if let Some(org_id) = options.org_id {
            builder = builder.org_id(org_id);
        }
        if let TracesSamplingStrategy::Function(sampler) = &mut options.traces_sampling_strategy {
            let of_sdk = Arc::clone(sampler);
            *sampler = Arc::new(move |context| decided(context).unwrap_or_else(|| of_sdk(context)));
            let sampler = Arc::clone(sampler);
            builder = builder.traces_sampler(move |context| sample(&*sampler, context));
        }

        let recorder = self.clone().with_sdk_options(shared(options));
        if let Some(transport) = options.transport.take() {
            options.transport = Some(wrap(&recorder, transport, is_given));
        }
        put_into_trace(&mut options.before_send_log, |log: &mut Log, context| {
            if log.trace_id.is_some_and(is_by_chance) {
                log.trace_id = Some(sdk_trace_id(context.trace_id()));
                let span_id = context.span_id().to_string();
                log.attributes.entry("parent_span_id".to_owned()).or_insert(span_id.into());
            }
        });
        put_into_trace(&mut options.before_send_metric, |metric: &mut Metric, context| {
            if is_by_chance(metric.trace_id) {
                metric.trace_id = sdk_trace_id(context.trace_id());
                metric.span_id.get_or_insert(sdk_span_id(context.span_id()));
            }
        });
        builder.recorder(recorder)
    }
}

/// The options of the SDK that a propagator shares.
fn shared(options: &ClientOptions) -> SdkOptions {
    let mut shared = SdkOptions::default();
    shared.dsn = options.dsn.as_ref().map(ToString::to_string);
    shared.release = options.release.as_deref().map(str::to_owned);
    shared.environment = options.environment.as_deref().map(str::to_owned);
    if let TracesSamplingStrategy::FixedRate(rate) = options.traces_sampling_strategy {
        // The SDK's number is an `f32`. Its text has the digits that were set.
        shared.traces_sample_rate = rate.to_string().parse().ok();
    }
    shared
}

/// The name of a decision in the context of a transaction.
const DECIDED: &str = "tracehop.sampled";

/// Notes the decision on a transaction, for the sampler of the SDK.
pub(crate) fn set_decided(context: &mut TransactionContext, sampled: bool) {
    context.custom_insert(DECIDED.to_owned(), sampled.into());
}

fn decided(context: &TransactionContext) -> Option<f32> {
    let sampled = context.custom()?.get(DECIDED)?.as_bool()?;
    Some(f32::from(u8::from(sampled)))
}

/// Calls the sampler of the SDK for a trace that the propagator decides on.
fn sample(sampler: &TracesSampler, context: &SamplingContext<'_>) -> f64 {
    let name = context.name().unwrap_or_default();
    let mut of_sdk = TransactionContext::new(name, "http.server");
    of_sdk.set_sampled(context.parent_sampled());
    let rate = sampler(&of_sdk).to_string();
    rate.parse().unwrap_or_default()
}

type BeforeSend<T> = Option<Arc<dyn Fn(T) -> Option<T> + Send + Sync>>;

/// Has a function put what is captured into the context that it is captured in, before the application's own function.
fn put_into_trace<T: 'static>(
    before_send: &mut BeforeSend<T>,
    put: impl Fn(&mut T, &PropagationContext) + Send + Sync + 'static,
) {
    let next = before_send.take();
    *before_send = Some(Arc::new(move |mut item| {
        if let Some(context) = PropagationContext::current()
            && HubScope::of(&context).is_some()
        {
            put(&mut item, &context);
        }
        match &next {
            Some(next) => next(item),
            None => Some(item),
        }
    }));
}

/// Wraps the transport of the options, or replaces that of the SDK by one that keeps rate limits as well.
fn wrap(
    recorder: &SentryRecorder,
    transport: Arc<dyn TransportFactory>,
    is_given: bool,
) -> Arc<dyn TransportFactory> {
    #[cfg(any(feature = "rustls-no-provider", feature = "transport"))]
    if !is_given {
        return Arc::new(recorder.transport(HttpTransportFactory).with_carried_header());
    }
    let _ = is_given;
    Arc::new(recorder.transport(Given(transport)))
}

/// The transport that was given to the SDK.
struct Given(Arc<dyn TransportFactory>);

impl TransportFactory for Given {
    fn create_transport_with_options(
        &self,
        options: TransportOptions,
    ) -> Arc<dyn sentry_core::Transport> {
        self.0.create_transport_with_options(options)
    }
}
