//! What arrives, and whether it is continued.

use std::error::Error;
use std::fmt;

use crate::arrived::ArrivedLine;
use crate::carrier::{Extractor, Field};
use crate::options::Options;
use crate::wire::{SentryTrace, SentryTraceError, Traceparent, TraceparentError, Tracestate};

/// A trace that is to be continued.
pub(crate) struct Incoming {
    pub(crate) sentry_trace: SentryTrace,
    pub(crate) tracestate: Option<Tracestate>,
    pub(crate) baggage: ArrivedLine,
}

impl Incoming {
    /// Reads the trace in a carrier, or finds out why there is none to continue.
    pub(crate) fn read<E: Extractor + ?Sized>(
        carrier: &E,
        options: &Options,
    ) -> Result<Self, NotContinued> {
        let sentry_trace = SentryTrace::parse_lines(carrier.extract(Field::SentryTrace))
            .map_err(NotContinued::SentryTrace)?;
        let (sentry_trace, tracestate) = match sentry_trace {
            Some(sentry_trace) => (sentry_trace, None),
            None if options.continue_traceparent => read_traceparent(carrier)?,
            None => return Err(NotContinued::NoTrace),
        };
        let baggage = ArrivedLine::read(carrier.extract(Field::Baggage));
        check_organisation(&baggage, options)?;
        Ok(Self { sentry_trace, tracestate, baggage })
    }
}

/// What a `traceparent` says, in the words of `sentry-trace`.
fn read_traceparent<E: Extractor + ?Sized>(
    carrier: &E,
) -> Result<(SentryTrace, Option<Tracestate>), NotContinued> {
    let traceparent = Traceparent::parse_lines(carrier.extract(Field::Traceparent))
        .map_err(NotContinued::Traceparent)?
        .ok_or(NotContinued::NoTrace)?;
    let sentry_trace = SentryTrace {
        trace_id: traceparent.trace_id,
        span_id: traceparent.parent_id,
        // SDKs leave the bit out for "not sampled" and for "not decided".
        sampled: traceparent.sampled.then_some(true),
    };
    // A malformed list is dropped, and the traceparent kept, as the recommendation wants it.
    let tracestate =
        Tracestate::parse_lines(carrier.extract(Field::Tracestate)).unwrap_or_default();
    Ok((sentry_trace, tracestate))
}

/// A trace of another organisation is not continued; with strict continuation, neither is one of which only
/// one side says whose it is.
fn check_organisation(baggage: &ArrivedLine, options: &Options) -> Result<(), NotContinued> {
    if options.org_id.is_none() && !options.strict_trace_continuation {
        return Ok(());
    }
    match (baggage.org_id(), options.org_id.as_deref()) {
        (Some(theirs), Some(ours)) if *theirs != *ours.as_bytes() => {
            Err(NotContinued::OtherOrganisation {
                theirs: String::from_utf8_lossy(&theirs).into_owned(),
                ours: ours.to_owned(),
            })
        }
        (Some(_), None) | (None, Some(_)) if options.strict_trace_continuation => {
            Err(NotContinued::UnknownOrganisation)
        }
        _ => Ok(()),
    }
}

/// Why a context began a new trace.
///
/// Its text is meant for one line of a log: what came from outside is quoted in it. The rules are those of Sentry's
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
    /// A transaction of another trace was running, begun by Sentry's SDK. See
    /// [`Transaction::start`](crate::sentry::Transaction::start).
    #[cfg(feature = "sentry")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sentry")))]
    OtherTransaction,
}

impl fmt::Display for NotContinued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTrace => f.write_str("there was no trace to continue"),
            Self::SentryTrace(error) => write_with_cause(f, error),
            Self::Traceparent(error) => write_with_cause(f, error),
            // What came from outside is quoted, so that it cannot pass for a line of its own in a log.
            Self::OtherOrganisation { theirs, ours } => {
                write!(f, "the trace belongs to organisation {theirs:?}, this service to {ours:?}")
            }
            Self::UnknownOrganisation => f.write_str(
                "only one of the organisations of trace and service is known, \
                 and strict_trace_continuation is on",
            ),
            #[cfg(feature = "sentry")]
            Self::OtherTransaction => f.write_str("a transaction of another trace was running"),
        }
    }
}

fn write_with_cause(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    error.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
}

/// The text has the causes in it: it is meant for one line of a log.
impl Error for NotContinued {}
