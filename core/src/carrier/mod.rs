//! Carriers: what trace data is read from and written to.
//!
//! A carrier is anything with named values: the headers of a request, the metadata of a queue message, the
//! environment of a process. A new carrier implements [`Extractor`], [`Injector`] or both.

#[cfg(feature = "actix-http")]
mod actix_http;
mod environment;
#[cfg(feature = "http")]
mod http;
mod maps;
mod received;

use std::borrow::Cow;

pub use environment::Environment;
pub(crate) use received::ReceivedHeaders;

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

    /// Returns the name of the field as a header and as a metadata key, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SentryTrace => "sentry-trace",
            Self::Baggage => "baggage",
            Self::Traceparent => "traceparent",
            Self::Tracestate => "tracestate",
        }
    }

    /// Returns the name of the field as an environment variable, `None` if it does not travel there.
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
/// /// A message of a queue whose client keeps metadata as bytes.
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
#[diagnostic::on_unimplemented(
    message = "a trace cannot be read from `{Self}`",
    note = "`http::HeaderMap` needs the feature `http` of `tracehop`, the header map of actix-web the feature `actix-http`",
    note = "for a type of your own, implement `Extractor`"
)]
pub trait Extractor {
    /// Returns every value of a field, in the order of arrival: headers may have several lines. Case counts in names
    /// only where it counts for the carrier.
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]>;
}

/// A carrier to write trace data to.
///
/// What the application wrote itself is [respected](crate::PropagationContext::inject) as far as
/// [`existing`](Self::existing) shows it.
///
/// ```
/// use tracehop::{Field, Injector, Propagator};
///
/// /// The metadata of a message, in the own type of a queue's client.
/// #[derive(Default)]
/// struct Metadata(Vec<(&'static str, String)>);
///
/// impl Injector for Metadata {
///     fn set(&mut self, field: Field, value: &str) {
///         self.0.push((field.name(), value.to_owned()));
///     }
/// }
///
/// let context = Propagator::builder().build()?.start_new_trace();
/// let mut metadata = Metadata::default();
/// context.inject(&mut metadata);
/// assert_eq!(metadata.0[0].1, context.trace_data().sentry_trace());
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a trace cannot be written to `{Self}`",
    note = "`http::HeaderMap` needs the feature `http` of `tracehop`, the header map of actix-web the feature `actix-http`",
    note = "for a type of your own, implement `Injector`"
)]
pub trait Injector {
    /// Sets a field to one value, in place of all values that it had. The value is printable ASCII, except that
    /// the application's own baggage is kept and may have other characters.
    fn set(&mut self, field: Field, value: &str);

    /// Returns the value that a field has, several lines joined with commas; `None` if it has none.
    ///
    /// The default, for carriers that can only be written to, returns `None`. Trace data then replaces what the
    /// application wrote.
    fn existing(&self, field: Field) -> Option<Cow<'_, [u8]>> {
        let _ = field;
        None
    }
}

/// Joins the lines of a field with commas; `None` if there are none.
fn joined<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'a, [u8]>> {
    let first = lines.next()?;
    let mut rest = lines.peekable();
    if rest.peek().is_none() {
        return Some(Cow::Borrowed(first));
    }
    let lines = std::iter::once(first).chain(rest);
    Some(Cow::Owned(lines.collect::<Vec<_>>().join(&b',')))
}

/// Defines the header names of all fields as the type of a crate.
#[cfg(any(feature = "http", feature = "actix-http"))]
macro_rules! header_names {
    ($name:ty) => {
        /// Returns the name of a field without comparing its text.
        fn header_name(field: Field) -> &'static $name {
            static SENTRY_TRACE: $name = <$name>::from_static(Field::SentryTrace.name());
            static BAGGAGE: $name = <$name>::from_static(Field::Baggage.name());
            static TRACEPARENT: $name = <$name>::from_static(Field::Traceparent.name());
            static TRACESTATE: $name = <$name>::from_static(Field::Tracestate.name());
            match field {
                Field::SentryTrace => &SENTRY_TRACE,
                Field::Baggage => &BAGGAGE,
                Field::Traceparent => &TRACEPARENT,
                Field::Tracestate => &TRACESTATE,
            }
        }
    };
}

#[cfg(any(feature = "http", feature = "actix-http"))]
use header_names;
