//! The implementations that this library is compared with.

use serde::Serialize;

/// An implementation of trace propagation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Peer {
    /// This library.
    Ours,
    /// This library beside Sentry's SDK for Rust.
    OursWithSdk,
    /// Sentry's SDK for Node.
    Node,
    /// Sentry's SDK for Python.
    Python,
    /// Sentry's SDK for Python, of the version that streams spans.
    PythonStreamed,
    /// Sentry's SDK for Rust.
    Rust,
    /// OpenTelemetry for Rust.
    OpenTelemetry,
    /// Sentry's SDK for browsers.
    Browser,
    /// The page script of this library, without any SDK.
    Script,
}

impl Peer {
    /// All others, in the order of the matrix.
    pub(super) const OTHERS: [Self; 7] = [
        Self::Node,
        Self::Browser,
        Self::Python,
        Self::PythonStreamed,
        Self::Rust,
        Self::OpenTelemetry,
        Self::Script,
    ];

    /// The service's name in the line that it prints when it is ready; `None` for a peer in a page.
    pub(super) fn service(self) -> Option<&'static str> {
        match self {
            Self::Ours | Self::OursWithSdk => Some("ours"),
            Self::Node => Some("sentry-node"),
            Self::Python | Self::PythonStreamed => Some("sentry-python"),
            Self::Rust => Some("sentry-rust"),
            Self::OpenTelemetry => Some("opentelemetry"),
            Self::Browser | Self::Script => None,
        }
    }
}

/// The options of an SDK, as every service takes them: what is absent is not set.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dsn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) org_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) traces_sample_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sampler_answers: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sampler_inherits_or: Option<f64>,
    pub(super) strict_trace_continuation: bool,
    pub(super) propagate_traceparent: bool,
    pub(super) continue_traceparent: bool,
}

impl Options {
    pub(super) fn rate(rate: f64) -> Self {
        Self { traces_sample_rate: Some(rate), ..Self::default() }
    }

    /// A sampler that returns `answer`, and a rate that the sampler overrides.
    pub(super) fn sampler(answer: f64) -> Self {
        Self { sampler_answers: Some(answer), ..Self::rate(1.0) }
    }

    /// Reads and writes `traceparent` as well.
    pub(super) fn with_traceparent(self) -> Self {
        Self { propagate_traceparent: true, continue_traceparent: true, ..self }
    }
}
