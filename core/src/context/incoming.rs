//! Reads an incoming trace, and decides whether it is continued.

use std::error::Error;
use std::fmt;

use uuid::Uuid;

use super::options::Options;
use crate::carrier::{Extractor, Field};
use crate::dsc::DynamicSamplingContext;
use crate::wire::{
    SentryTrace, SentryTraceError, TraceId, Traceparent, TraceparentError, Tracestate,
};

/// An incoming trace that is continued.
pub(crate) struct Incoming {
    pub(crate) sentry_trace: SentryTrace,
    pub(crate) w3c: W3c,
    pub(crate) dsc: DynamicSamplingContext,
    pub(crate) dsc_not_used: Option<DscNotUsed>,
}

/// What is kept of an incoming `traceparent` of the same trace, and handed on with the outgoing one.
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
        let dsc_not_used = contradiction(&dsc, sentry_trace.trace_id);
        let dsc = if dsc_not_used.is_some() { DynamicSamplingContext::default() } else { dsc };
        check_organisation(&dsc, options)?;
        Ok(Self { sentry_trace, w3c, dsc, dsc_not_used })
    }
}

/// Returns the contradiction if a DSC names another trace. A malformed id names none.
fn contradiction(dsc: &DynamicSamplingContext, trace_id: TraceId) -> Option<DscNotUsed> {
    let theirs = dsc.known_trace_id()?;
    // Sentry also reads ids with dashes, and the id of only zeros.
    let theirs = Uuid::try_parse(&theirs).ok().filter(|theirs| *theirs != Uuid::from(trace_id))?;
    Some(DscNotUsed::OtherTrace { theirs, ours: trace_id })
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
    /// There was no trace to continue. Look at the caller: its targets, its CORS preflights, a proxy in between.
    NoTrace,
    /// The `sentry-trace` value is malformed, or several values differ. A script or a gateway may set the header as well.
    SentryTrace(SentryTraceError),
    /// There was no `sentry-trace`, and the `traceparent` value is malformed.
    Traceparent(TraceparentError),
    /// The trace belongs to another Sentry organisation. If the caller is one of your own services, set the same
    /// [`org_id`](crate::PropagatorBuilder::org_id) in both.
    OtherOrganisation {
        /// The organisation in the incoming baggage.
        theirs: String,
        /// The organisation of this service.
        ours: String,
    },
    /// Only one of the two organisations is known, and
    /// [`strict_trace_continuation`](crate::PropagatorBuilder::strict_trace_continuation) is on.
    UnknownOrganisation,
    /// The [policy](crate::PropagatorBuilder::trust_incoming) for incoming traces begins a new one.
    NotTrusted,
    /// A recorder moved the context to a span of [another trace](crate::PropagationContext::at_span): a middleware
    /// further out started a transaction.
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
            Self::NotTrusted => f.write_str("trust_incoming begins a new trace"),
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

/// The reason why the dynamic sampling context of a continued trace counts as not sent.
///
/// The trace is continued. If the context is that of [another trace](Self::OtherTrace), an empty one is frozen: no
/// `sentry-` member is handed on.
///
/// ```
/// use tracehop::{DscNotUsed, Propagator};
///
/// let received = [
///     ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1"),
///     ("baggage", "sentry-trace_id=0af7651916cd43dd8448eb211c80319c,sentry-release=1"),
/// ];
/// let trace = Propagator::builder().build()?.continue_trace(&received);
/// assert!(matches!(trace.dsc_not_used(), Some(DscNotUsed::OtherTrace { .. })));
/// assert!(trace.is_continued() && trace.dsc().is_empty());
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DscNotUsed {
    /// The `trace_id` in the dynamic sampling context is that of another trace. The `sentry-trace` header has
    /// priority.
    OtherTrace {
        /// The trace of the dynamic sampling context.
        theirs: Uuid,
        /// The trace that is continued.
        ours: TraceId,
    },
    /// The [policy](crate::PropagatorBuilder::trust_incoming) for incoming traces lets this service decide. The service
    /// makes a dynamic sampling context of its own.
    NotTrusted,
}

impl fmt::Display for DscNotUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherTrace { theirs, ours } => {
                write!(f, "its trace_id is {}, and the trace is {ours}", theirs.simple())
            }
            Self::NotTrusted => f.write_str("trust_incoming lets this service decide"),
        }
    }
}

impl Error for DscNotUsed {}
