//! Calls between services.

/// A call of a service, and the carrier of the trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) to: usize,
    pub(crate) carrier: Carrier,
    /// Whether the application adds its own baggage.
    pub(crate) has_own_baggage: bool,
    /// Whether the application records its own span for the call.
    pub(crate) is_child: bool,
}

/// The type that carries a trace from service to service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Pairs of name and value, as queues have them.
    Pairs,
    /// A hash map.
    HashMap,
    /// A sorted map.
    BTreeMap,
    /// The headers of the crate `http`.
    HeaderMap,
    /// The environment of a child process.
    Environment,
    /// `TraceData`, whose values the application writes itself.
    TraceData,
}

impl Carrier {
    pub(crate) const ALL: [Self; 6] = [
        Self::Pairs,
        Self::HashMap,
        Self::BTreeMap,
        Self::HeaderMap,
        Self::Environment,
        Self::TraceData,
    ];
}
