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
