use sentry::{ClientOptions, TransactionContext};
use serde::Deserialize;

/// The options of an SDK, the same for every service here. Absent options are not set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The DSN that envelopes are sent to.
    pub dsn: Option<String>,
    /// The version of the service.
    pub release: Option<String>,
    /// The environment of the service.
    pub environment: Option<String>,
    /// The organisation's id.
    pub org_id: Option<u64>,
    /// The share of traces to sample.
    pub traces_sample_rate: Option<f64>,
    /// The rate that a sampler returns for every trace.
    pub sampler_answers: Option<f64>,
    /// The rate of a sampler that follows the parent's decision, for traces without one.
    pub sampler_inherits_or: Option<f64>,
    /// Whether a trace is continued only if both organisations are known, or neither is.
    pub strict_trace_continuation: bool,
    /// Whether `traceparent` is sent as well.
    pub propagate_traceparent: bool,
    /// Whether a trace without `sentry-trace` is continued from `traceparent`.
    pub continue_traceparent: bool,
}

/// Returns the options for Sentry's SDK for Rust.
pub fn client_options(options: Options) -> ClientOptions {
    let mut client = ClientOptions::new()
        .maybe_release(options.release)
        .strict_trace_continuation(options.strict_trace_continuation);
    if let Some(dsn) = options.dsn {
        client = client.dsn(&dsn);
    }
    if let Some(environment) = options.environment {
        client = client.environment(environment);
    }
    if let Some(org_id) = options.org_id {
        client = client.org_id(org_id.into());
    }
    if let Some(rate) = options.traces_sample_rate {
        client = client.traces_sample_rate(rate as f32);
    }
    if let Some(rate) = options.sampler_answers {
        client = client.traces_sampler(move |_: &TransactionContext| rate as f32);
    } else if let Some(rate) = options.sampler_inherits_or {
        client = client.traces_sampler(move |context: &TransactionContext| {
            context.sampled().map_or(rate as f32, |sampled| f32::from(u8::from(sampled)))
        });
    }
    client
}
