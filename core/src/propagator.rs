//! Continuing a trace, or not.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::carrier::{Extractor, Field};
use crate::context::{Incoming, PropagationContext};
use crate::dsc::DynamicSamplingContext;
use crate::error::BuildError;
use crate::options::{Options, PropagatorBuilder};
use crate::wire::{SentryTrace, SentryTraceError, Traceparent, TraceparentError, Tracestate};

/// Makes the [`PropagationContext`] of every request, by one set of options.
///
/// Made once at start-up and cloned at will: clones share the options. Two propagators in one process know
/// nothing of each other.
///
/// ```
/// use std::collections::HashMap;
/// use tracehop::Propagator;
///
/// let propagator = Propagator::builder()
///     .dsn("https://key@o123.ingest.sentry.io/42")
///     .release("shop@1.4.0")
///     .build()?;
///
/// let headers = HashMap::from([(
///     "sentry-trace",
///     "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1",
/// )]);
/// let context = propagator.continue_trace(&headers);
/// assert!(context.is_continued());
/// assert_eq!(context.trace_id().to_string(), "771a43a4192642f0b136d5159a501700");
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Propagator {
    options: Arc<Options>,
}

impl Propagator {
    /// Begins with no options set.
    pub fn builder() -> PropagatorBuilder {
        PropagatorBuilder::default()
    }

    /// A propagator with the options in the environment. To set more,
    /// use [`PropagatorBuilder::from_env`].
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, BuildError> {
        PropagatorBuilder::from_env()?.build()
    }

    pub(crate) fn new(options: Options) -> Self {
        Self { options: Arc::new(options) }
    }

    /// Continues the trace that a carrier holds, or starts a new one.
    ///
    /// This never fails. Where the trace is not continued, the context
    /// [says why](PropagationContext::not_continued), and with the feature `tracing` so does a debug event,
    /// unless there was nothing to continue.
    ///
    /// The rules are in
    /// [Trace Propagation](https://develop.sentry.dev/sdk/foundations/trace-propagation/):
    /// a `sentry-trace` that is malformed, or whose lines differ, is treated as absent, and a trace of
    /// another organisation is not continued. Nothing of such a trace is used.
    pub fn continue_trace<E: Extractor + ?Sized>(&self, carrier: &E) -> PropagationContext {
        match self.read(carrier) {
            Ok(incoming) => PropagationContext::continued(Arc::clone(&self.options), incoming),
            Err(reason) => {
                #[cfg(feature = "tracing")]
                if reason != NotContinued::NoTrace {
                    tracing::debug!(reason = %reason, "incoming trace not continued");
                }
                PropagationContext::started(Arc::clone(&self.options), reason)
            }
        }
    }

    /// Starts a new trace, of which this service is the head.
    pub fn start_new_trace(&self) -> PropagationContext {
        PropagationContext::started(Arc::clone(&self.options), NotContinued::NoTrace)
    }

    fn read<E: Extractor + ?Sized>(&self, carrier: &E) -> Result<Incoming, NotContinued> {
        let sentry_trace = SentryTrace::parse_lines(carrier.extract(Field::SentryTrace))
            .map_err(NotContinued::SentryTrace)?;
        let (sentry_trace, tracestate) = match sentry_trace {
            Some(sentry_trace) => (sentry_trace, None),
            None if self.options.continue_traceparent => read_traceparent(carrier)?,
            None => return Err(NotContinued::NoTrace),
        };
        let dsc = DynamicSamplingContext::from_baggage(carrier.extract(Field::Baggage));
        self.check_organisation(&dsc)?;
        Ok(Incoming { sentry_trace, tracestate, dsc })
    }

    /// [Strict trace continuation](https://develop.sentry.dev/sdk/foundations/trace-propagation/#strict-trace-continuation)
    fn check_organisation(&self, dsc: &DynamicSamplingContext) -> Result<(), NotContinued> {
        match (dsc.org_id(), self.options.org_id.as_deref()) {
            (Some(theirs), Some(ours)) if theirs != ours => Err(NotContinued::OtherOrganisation {
                theirs: theirs.into_owned(),
                ours: ours.to_owned(),
            }),
            (Some(_), None) | (None, Some(_)) if self.options.strict_trace_continuation => {
                Err(NotContinued::UnknownOrganisation)
            }
            _ => Ok(()),
        }
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

/// Why a context began a new trace.
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
        }
    }
}

fn write_with_cause(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    error.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
}

impl Error for NotContinued {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::SentryTrace(error) => Some(error),
            Self::Traceparent(error) => Some(error),
            _ => None,
        }
    }
}
