//! What trace data is read from and written to.
//!
//! A carrier is anything with named values: the headers of a request, the metadata of a queue message, the
//! environment of a process. [`Extractor`] and [`Injector`] are all that a new one needs.

mod environment;
#[cfg(feature = "http")]
mod http;
mod maps;

pub use environment::Environment;

use crate::dsc::DynamicSamplingContext;
use crate::wire::SentryTrace;

/// One of the values that a trace travels in.
///
/// ```
/// use tracehop::Field;
///
/// let names = Field::ALL.iter().map(|field| field.name()).collect::<Vec<_>>();
/// assert_eq!(names, ["sentry-trace", "baggage", "traceparent", "tracestate"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// [`sentry-trace`](crate::wire::SentryTrace)
    SentryTrace,
    /// [`baggage`](crate::wire::Baggage)
    Baggage,
    /// [`traceparent`](crate::wire::Traceparent)
    Traceparent,
    /// [`tracestate`](crate::wire::Tracestate)
    Tracestate,
}

impl Field {
    /// All fields. A service that browsers call across origins must allow these headers.
    pub const ALL: &'static [Self] =
        &[Self::SentryTrace, Self::Baggage, Self::Traceparent, Self::Tracestate];

    /// The name of the field as a header and as a metadata key, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SentryTrace => "sentry-trace",
            Self::Baggage => "baggage",
            Self::Traceparent => "traceparent",
            Self::Tracestate => "tracestate",
        }
    }

    /// The name of the field as an environment variable, if it travels that way.
    pub const fn environment_name(self) -> Option<&'static str> {
        match self {
            Self::SentryTrace => Some("SENTRY_TRACE"),
            Self::Baggage => Some("SENTRY_BAGGAGE"),
            Self::Traceparent | Self::Tracestate => None,
        }
    }
}

/// A carrier to read trace data from.
///
/// ```
/// use tracehop::{Extractor, Field, Propagator};
///
/// /// Messages of a queue whose client keeps metadata as bytes.
/// struct Message {
///     metadata: Vec<(String, Vec<u8>)>,
/// }
///
/// impl Extractor for Message {
///     fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
///         self.metadata.iter().filter(move |(key, _)| key == field.name()).map(|(_, value)| &**value)
///     }
/// }
///
/// let trace = b"771a43a4192642f0b136d5159a501700-b72fa28504b07285-1".to_vec();
/// let message = Message { metadata: vec![("sentry-trace".to_owned(), trace)] };
/// let context = Propagator::builder().build()?.continue_trace(&message);
/// assert!(context.is_continued());
/// # Ok::<(), tracehop::BuildError>(())
/// ```
pub trait Extractor {
    /// Every value of a field, in the order in which they came: headers may have several lines. Names are
    /// compared without regard to case where the carrier's own are.
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]>;
}

/// A carrier to write trace data to.
///
/// It is an [`Extractor`] too, since what the application put there itself is respected.
///
/// ```
/// use tracehop::{Extractor, Field, Injector, Propagator};
///
/// /// The metadata of a message, in a client of a queue's own type.
/// #[derive(Default)]
/// struct Metadata(Vec<(&'static str, String)>);
///
/// impl Extractor for Metadata {
///     fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
///         self.0.iter().filter(move |(key, _)| *key == field.name()).map(|(_, value)| value.as_bytes())
///     }
/// }
///
/// impl Injector for Metadata {
///     fn set(&mut self, field: Field, value: &str) {
///         self.0.retain(|(key, _)| *key != field.name());
///         self.0.push((field.name(), value.to_owned()));
///     }
/// }
///
/// let context = Propagator::builder().build()?.start_new_trace();
/// let mut metadata = Metadata::default();
/// context.inject_always(&mut metadata);
/// assert_eq!(metadata.0[0].1, context.trace_data().sentry_trace());
/// # Ok::<(), tracehop::BuildError>(())
/// ```
pub trait Injector: Extractor {
    /// Sets a field to one value, in place of all that it had. The value is printable ASCII, unless the
    /// application's own baggage, which is kept, is not.
    fn set(&mut self, field: Field, value: &str);

    /// Sets `sentry-trace`, and `baggage` to a dynamic sampling context that is not empty. A carrier whose values
    /// are costly to make may have a better way.
    fn set_trace(&mut self, sentry_trace: &SentryTrace, dsc: &DynamicSamplingContext) {
        self.set(Field::SentryTrace, sentry_trace.encode(&mut [0; SentryTrace::MAX_LEN]));
        self.set(Field::Baggage, dsc.as_str());
    }
}
