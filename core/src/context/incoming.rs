//! Reads an incoming trace, and decides whether it is continued.

use std::error::Error;
use std::fmt;

use super::options::Options;
use crate::carrier::{Extractor, Field};
use crate::dsc::DynamicSamplingContext;
use crate::wire::{SentryTrace, SentryTraceError, Traceparent, TraceparentError, Tracestate};

/// An incoming trace that is continued.
pub(crate) struct Incoming {
    pub(crate) sentry_trace: SentryTrace,
    pub(crate) w3c: W3c,
    pub(crate) dsc: DynamicSamplingContext,
}

/// What is kept of a `traceparent` of the same trace, and handed on with the next one.
#[derive(Default)]
pub(crate) struct W3c {
    pub(crate) random_trace_id: bool,
    pub(crate) tracestate: Option<Tracestate>,
}

impl Incoming {
    /// Reads the trace in a carrier, or returns why there is none to continue.
    pub(crate) fn read<E: Extractor + ?Sized>(
        carrier: &E,
        options: &Options,
    ) -> Result<Self, NotContinued> {
        let sentry_trace = SentryTrace::parse_lines(carrier.extract(Field::SentryTrace))
            .map_err(NotContinued::SentryTrace)?;
        let (sentry_trace, w3c) = match sentry_trace {
            Some(sentry_trace) if options.propagate_traceparent => {
                let w3c = read_traceparent(carrier).ok();
                let w3c = w3c.filter(|(same, _)| same.trace_id == sentry_trace.trace_id);
                (sentry_trace, w3c.map(|(_, w3c)| w3c).unwrap_or_default())
            }
            Some(sentry_trace) => (sentry_trace, W3c::default()),
            None if options.continue_traceparent => read_traceparent(carrier)?,
            None => return Err(NotContinued::NoTrace),
        };
        let dsc = DynamicSamplingContext::from_baggage(carrier.extract(Field::Baggage));
        check_organisation(&dsc, options)?;
        Ok(Self { sentry_trace, w3c, dsc })
    }
}

/// Reads a `traceparent`, with its `tracestate`, as a `sentry-trace`.
fn read_traceparent<E: Extractor + ?Sized>(
    carrier: &E,
) -> Result<(SentryTrace, W3c), NotContinued> {
    let traceparent = Traceparent::parse_lines(carrier.extract(Field::Traceparent))
        .map_err(NotContinued::Traceparent)?
        .ok_or(NotContinued::NoTrace)?;
    let sentry_trace = SentryTrace {
        trace_id: traceparent.trace_id,
        span_id: traceparent.parent_id,
        // SDKs leave the bit unset for "not sampled" and for "deferred".
        sampled: traceparent.sampled.then_some(true),
    };
    // By the recommendation, a malformed list is dropped and the traceparent kept.
    let tracestate =
        Tracestate::parse_lines(carrier.extract(Field::Tracestate)).unwrap_or_default();
    Ok((sentry_trace, W3c { random_trace_id: traceparent.random_trace_id, tracestate }))
}

/// Refuses a trace of another organisation. With strict continuation, also refuses one where only one of the two
/// organisations is known.
fn check_organisation(dsc: &DynamicSamplingContext, options: &Options) -> Result<(), NotContinued> {
    match (dsc.org_id(), options.org_id.as_deref()) {
        (Some(theirs), Some(ours)) if theirs != ours => Err(NotContinued::OtherOrganisation {
            theirs: theirs.into_owned(),
            ours: ours.to_owned(),
        }),
        (Some(_), None) | (None, Some(_)) if options.strict_trace_continuation => {
            Err(NotContinued::UnknownOrganisation)
        }
        _ => Ok(()),
    }
}

/// The reason why a context began a new trace.
///
/// Its text fits one line of a log: values from outside are quoted. The rules are in Sentry's
/// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/).
///
/// ```
/// use tracehop::{NotContinued, Propagator};
///
/// let propagator = Propagator::builder().org_id(1).build()?;
/// let received = [
///     ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1"),
///     ("baggage", "sentry-org_id=2"),
/// ];
/// let trace = propagator.continue_trace(&received);
/// match trace.not_continued() {
///     Some(NotContinued::OtherOrganisation { theirs, .. }) => assert_eq!(theirs, "2"),
///     reason => panic!("{reason:?}"),
/// }
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotContinued {
    /// There was no trace to continue.
    NoTrace,
    /// The `sentry-trace` value is malformed.
    SentryTrace(SentryTraceError),
    /// There was no `sentry-trace`, and the `traceparent` value is malformed.
    Traceparent(TraceparentError),
    /// The trace belongs to another Sentry organisation.
    OtherOrganisation {
        /// The organisation in the incoming baggage.
        theirs: String,
        /// The organisation of this service.
        ours: String,
    },
    /// Only one of the two organisations is known, and `strict_trace_continuation` is on.
    UnknownOrganisation,
    /// A recorder moved the context to a span of [another trace](crate::PropagationContext::at_span).
    OtherTransaction,
}

impl fmt::Display for NotContinued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTrace => f.write_str("there was no trace to continue"),
            Self::SentryTrace(error) => write_with_cause(f, error),
            Self::Traceparent(error) => write_with_cause(f, error),
            // The incoming value is quoted, so that it cannot forge a line of its own in a log.
            Self::OtherOrganisation { theirs, ours } => {
                write!(f, "the trace belongs to organisation {theirs:?}, this service to {ours:?}")
            }
            Self::UnknownOrganisation => f.write_str(
                "only one of the organisations of trace and service is known, \
                 and strict_trace_continuation is on",
            ),
            Self::OtherTransaction => f.write_str("a transaction of another trace was running"),
        }
    }
}

fn write_with_cause(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    error.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
}

/// The text has the causes in it, so there is no `source`.
impl Error for NotContinued {}
