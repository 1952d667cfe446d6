use sentry::{ClientOptions, TransactionContext};
use serde::Deserialize;

/// The options of an SDK, as every service here takes them: absent ones are not set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where envelopes are sent.
    pub dsn: Option<String>,
    /// The version of the service.
    pub release: Option<String>,
    /// Where it runs.
    pub environment: Option<String>,
    /// The organisation's number.
    pub org_id: Option<u64>,
    /// The share of traces to sample.
    pub traces_sample_rate: Option<f64>,
    /// What a sampler answers, whatever the parent said.
    pub sampler_answers: Option<f64>,
    /// A sampler that does as the parent did, with the rate for where there is none.
    pub sampler_inherits_or: Option<f64>,
    /// Continue only what is of the same organisation for certain.
    pub strict_trace_continuation: bool,
    /// Send `traceparent` as well.
    pub propagate_traceparent: bool,
    /// Continue from `traceparent` where there is no `sentry-trace`.
    pub continue_traceparent: bool,
}

/// These options, as Sentry's SDK for Rust takes them.
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
