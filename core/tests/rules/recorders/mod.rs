//! A recorder of a third party: what it sees, and in which order.

mod incoming;
mod outgoing;

use std::any::Any;
use std::error::Error;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tracehop::hop::{ClientHop, InHop, ServerHop, TraceChoice, continue_request, name_by_route};
use tracehop::recorder::{
    IncomingRequest, Outcome, OutgoingRequest, Recorder, RecorderScope, Recording,
};
use tracehop::wire::SentryTrace;
use tracehop::{NotContinued, PropagationContext, Propagator, PropagatorBuilder, SpanPosition};

use crate::{Call, Headers, SPAN_ID, TRACE_ID, URL, incoming, received, value};

/// What happened, one line each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// Returns the lines since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Returns the position of a context, `none` if there is no context.
fn position(context: Option<&PropagationContext>) -> String {
    context.map_or("none".to_owned(), |context| {
        format!("{}-{}", context.trace_id(), context.span_id())
    })
}

fn current_position() -> String {
    position(PropagationContext::current().as_ref())
}

/// Logs all calls.
#[derive(Clone, Default)]
struct Logging {
    name: &'static str,
    log: Log,
    /// The span of its own that the recorder moves the context to.
    moves_to: Option<SentryTrace>,
    needs_position: bool,
}

impl Logging {
    fn new(name: &'static str, log: &Log) -> Self {
        Self { name, log: log.clone(), ..Self::default() }
    }

    fn start(&self, context: Option<&PropagationContext>, request: &str) -> Box<dyn Recording> {
        let Self { name, log, moves_to, needs_position } = self.clone();
        log.add(format!("{name}: start {request} at {}", position(context)));
        let moved = moves_to.zip(context).map(|(to, context)| {
            let depth = Depth { name, log: log.clone() };
            context.at_span(SpanPosition::new(to)).with_scope(Arc::new(depth))
        });
        Box::new(LoggingOne { name, log, moved, needs_position })
    }
}

impl Recorder for Logging {
    fn start_incoming(
        &self,
        context: &PropagationContext,
        request: &dyn IncomingRequest,
    ) -> Option<Box<dyn Recording>> {
        Some(self.start(Some(context), request.method()))
    }

    fn start_outgoing(
        &self,
        context: Option<&PropagationContext>,
        request: &dyn OutgoingRequest,
    ) -> Option<Box<dyn Recording>> {
        Some(self.start(context, &request.url()))
    }

    fn for_worker(&self) -> Option<Arc<dyn Recorder>> {
        self.log.add(format!("{}: worker", self.name));
        None
    }
}

struct LoggingOne {
    name: &'static str,
    log: Log,
    moved: Option<PropagationContext>,
    needs_position: bool,
}

impl LoggingOne {
    fn add(&self, line: &str) {
        self.log.add(format!("{}: {line}", self.name));
    }
}

impl Recording for LoggingOne {
    fn context(&self) -> Option<&PropagationContext> {
        self.moved.as_ref()
    }

    fn enter(&self, work: &mut dyn FnMut()) {
        self.add(&format!("enter in {}", current_position()));
        work();
        self.add("leave");
    }

    fn needs_position_in_request(&self) -> bool {
        self.needs_position
    }

    fn extend(&self, extensions: &mut dyn Any) {
        if let Some(names) = extensions.downcast_mut::<Vec<&str>>() {
            names.push(self.name);
        }
    }

    fn set_route(&self, method: &str, pattern: &str) {
        self.add(&format!("route {method} {pattern}"));
    }

    fn set_grpc_status(&self, code: u8) {
        self.add(&format!("grpc {code}"));
    }

    fn set_error(&self, status: u16, error: &dyn Error) {
        self.add(&format!("error {status}, {error}"));
    }

    fn set_status(&self, status: u16) {
        self.add(&format!("status {status}"));
    }

    fn finish(&self, outcome: &Outcome<'_>) {
        self.add(&match outcome {
            Outcome::Completed { status, .. } => format!("completed {status}"),
            Outcome::Failed { kind, .. } => format!("failed {kind}"),
            other => panic!("{other:?}"),
        });
    }
}

impl Drop for LoggingOne {
    fn drop(&mut self) {
        self.add("drop");
    }
}

/// The environment that moved contexts carry.
struct Depth {
    name: &'static str,
    log: Log,
}

impl RecorderScope for Depth {
    fn enter(&self, work: &mut dyn FnMut()) {
        self.log.add(format!("{}: scope in {}", self.name, current_position()));
        work();
    }
}

/// Logs the spans of the library.
#[cfg(feature = "tracing")]
mod spans {
    use std::fmt::{Debug, Write as _};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::Log;

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0, " {field}={value:?}").unwrap();
        }
    }

    impl Subscriber for Log {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.is_span() && metadata.target() == "tracehop"
        }

        fn new_span(&self, attributes: &Attributes<'_>) -> Id {
            let mut fields = Fields(format!("span: {}", attributes.metadata().name()));
            attributes.record(&mut fields);
            self.add(fields.0);
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, values: &Record<'_>) {
            let mut fields = Fields("span: record".to_owned());
            values.record(&mut fields);
            self.add(fields.0);
        }

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {
            self.add(format!("span: enter in {}", super::current_position()));
        }

        fn exit(&self, _: &Id) {
            self.add("span: leave");
        }

        fn try_close(&self, _: Id) -> bool {
            self.add("span: drop");
            true
        }
    }
}

/// Calls a function with a subscriber that logs the spans of the library, if the feature is on.
fn with_log<R>(log: &Log, f: impl FnOnce() -> R) -> R {
    #[cfg(feature = "tracing")]
    return tracing::subscriber::with_default(log.clone(), f);
    #[cfg(not(feature = "tracing"))]
    {
        let _ = log;
        f()
    }
}

/// Removes the lines of log spans, unless the feature is on.
fn expected<const N: usize>(lines: [&str; N]) -> Vec<String> {
    let is_expected = |line: &&str| cfg!(feature = "tracing") || !line.starts_with("span: ");
    lines.into_iter().filter(is_expected).map(str::to_owned).collect()
}

fn options() -> PropagatorBuilder {
    Propagator::builder().traces_sample_rate(1.0)
}

fn start(propagator: &Propagator, request: &dyn IncomingRequest) -> ServerHop {
    ServerHop::start(propagator, None, &Headers::new(), request)
}
