//! An input as a request: options of the service, and header lines.

use std::sync::LazyLock;

use tracehop::{Field, Propagator};

/// An input, read as a request.
///
/// The first byte is the options of the service, one bit each. Lines follow. The first letter of a line is the header
/// that the line belongs to. Lines with other letters are left out.
pub(crate) struct Request<'a> {
    pub(crate) service: &'static Service,
    /// The incoming headers.
    pub(crate) incoming: Vec<(&'static str, &'a [u8])>,
    /// The headers that the application itself wrote into its outgoing request.
    pub(crate) own: Vec<(String, Vec<u8>)>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        let (options, lines) = data.split_first().unwrap_or((&0, &[]));
        let service = &SERVICES[usize::from(*options) % SERVICES.len()];
        let mut request = Self { service, incoming: Vec::new(), own: Vec::new() };
        for line in lines.split(|byte| *byte == b'\n') {
            let Some((letter, value)) = line.split_first() else { continue };
            let (is_own, field) = match letter {
                b's' => (false, Field::SentryTrace),
                b'b' => (false, Field::Baggage),
                b'p' => (false, Field::Traceparent),
                b't' => (false, Field::Tracestate),
                b'S' => (true, Field::SentryTrace),
                b'B' => (true, Field::Baggage),
                b'P' => (true, Field::Traceparent),
                b'T' => (true, Field::Tracestate),
                _ => continue,
            };
            if is_own {
                request.own.push((field.name().to_owned(), value.to_owned()));
            } else {
                request.incoming.push((field.name(), value));
            }
        }
        request
    }

    /// Returns the incoming lines of one header.
    pub(crate) fn lines(&self, field: Field) -> impl Iterator<Item = &'a [u8]> {
        let name = field.name();
        self.incoming.iter().filter(move |(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// A service, with the options that the expectations depend on.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) propagator: Propagator,
    pub(crate) org_id: Option<&'static str>,
    pub(crate) strict: bool,
    pub(crate) continues_traceparent: bool,
    pub(crate) decides: Decides,
}

/// How a service makes its sampling decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decides {
    Never,
    ByRate,
    BySampler,
}

static SERVICES: LazyLock<Vec<Service>> = LazyLock::new(|| (0..128).map(service).collect());

/// Returns a service that hands on everything unchanged.
pub(crate) fn relay() -> &'static Propagator {
    &SERVICES[0].propagator
}

fn service(options: u8) -> Service {
    let is_set = |bit: u8| options & (1 << bit) != 0;
    let builder = Propagator::builder()
        .release("fuzz@1.0")
        .strict_trace_continuation(is_set(1))
        .continue_traceparent(is_set(2))
        .propagate_traceparent(is_set(3));
    let (builder, org_id) = match (is_set(0), is_set(6)) {
        (false, false) => (builder, None),
        (true, false) => (builder.org_id(1), Some("1")),
        (false, true) => (builder.dsn("https://key@o2.ingest.sentry.io/1"), Some("2")),
        (true, true) => (builder.dsn("https://key@o2.ingest.sentry.io/1").org_id(1), Some("1")),
    };
    let (builder, decides) = match (is_set(4), is_set(5)) {
        (false, false) => (builder, Decides::Never),
        (true, false) => (builder.traces_sample_rate(0.25), Decides::ByRate),
        (false, true) => (
            builder.traces_sampler(|context| context.inherit_or_sample_with(0.2)),
            Decides::BySampler,
        ),
        (true, true) => (builder.traces_sampler(|_| 2.0), Decides::BySampler),
    };
    Service {
        propagator: builder.build().unwrap(),
        org_id,
        strict: is_set(1),
        continues_traceparent: is_set(2),
        decides,
    }
}
