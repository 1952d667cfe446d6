//! Records requests as spans of the crate `tracing`, so that all logs of a request have its trace id.

use std::sync::{Mutex, PoisonError};

use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Span, info_span};

use super::{IncomingRequest, Outcome, OutgoingRequest, Recorder, Recording, known_method};
use crate::context::PropagationContext;
use crate::targets::redact_url;

/// Opens a span for each request in the logs, if a subscriber wants it.
pub(crate) struct LogSpans;

impl Recorder for LogSpans {
    fn start_incoming(
        &self,
        context: &PropagationContext,
        request: &dyn IncomingRequest,
    ) -> Option<Box<dyn Recording>> {
        // With the feature `log` of `tracing`, which actix-web turns on, a span without a subscriber is a log line.
        if LevelFilter::current() < LevelFilter::INFO {
            return None;
        }
        let route = request.route();
        let span = info_span!(
            target: "tracehop",
            "http.server",
            trace_id = %context.trace_id(),
            span_id = %context.span_id(),
            method = known_method(request.method()),
            route = route.as_deref(),
            status = Empty,
        );
        let route = route.map(|route| route.into_owned());
        LogSpan::recording(span, route)
    }

    fn start_outgoing(
        &self,
        context: Option<&PropagationContext>,
        request: &dyn OutgoingRequest,
    ) -> Option<Box<dyn Recording>> {
        if LevelFilter::current() < LevelFilter::INFO {
            return None;
        }
        let span = info_span!(
            target: "tracehop",
            "http.client",
            trace_id = context.map(|context| tracing::field::display(context.trace_id())),
            span_id = context.map(|context| tracing::field::display(context.span_id())),
            method = known_method(request.method()),
            url = &*redact_url(&request.url()),
            status = Empty,
            error = Empty,
        );
        LogSpan::recording(span, None)
    }
}

struct LogSpan {
    span: Span,
    /// The route as it was recorded last. Formatters of plain text repeat a field that is recorded again.
    route: Mutex<Option<String>>,
}

impl LogSpan {
    fn recording(span: Span, route: Option<String>) -> Option<Box<dyn Recording>> {
        if span.is_disabled() {
            return None;
        }
        Some(Box::new(Self { span, route: Mutex::new(route) }))
    }
}

impl Recording for LogSpan {
    fn enter(&self, work: &mut dyn FnMut()) {
        self.span.in_scope(work);
    }

    fn set_route(&self, _: &str, pattern: &str) {
        let mut route = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        if route.as_deref() != Some(pattern) {
            self.span.record("route", pattern);
            *route = Some(pattern.to_owned());
        }
    }

    fn set_status(&self, status: u16) {
        self.span.record("status", status);
    }

    fn finish(&self, outcome: &Outcome<'_>) {
        if let Outcome::Failed { kind } = outcome {
            self.span.record("error", *kind);
        }
    }
}
