//! How one service calls another.

/// A service that is called, and what carries the trace there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) to: usize,
    pub(crate) carrier: Carrier,
    /// Whether the application has baggage of its own on it.
    pub(crate) has_own_baggage: bool,
    /// Whether the application records a span of its own for it.
    pub(crate) is_child: bool,
}

/// What carries a trace from service to service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Pairs, as queues have them.
    Pairs,
    /// A hash map.
    HashMap,
    /// A sorted map.
    BTreeMap,
    /// The headers of `http`.
    HeaderMap,
    /// The environment of a child process.
    Environment,
    /// The values alone, written by hand.
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
