//! The recordings of one request, in their order.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::carrier::ReceivedHeaders;
use crate::context::{PropagationContext, RequestRecordings, call_within};
use crate::propagator::Propagator;
use crate::recorder::{Outcome, Recorder, Recording};

/// The recordings of one request, from the outermost to the innermost: the log span first, then the recorders' in
/// their order. The environment of an SDK that records the spans of `tracing` is inside of the log span, too.
#[derive(Default)]
pub(super) struct Recordings {
    recordings: Vec<Box<dyn Recording>>,
    is_finished: AtomicBool,
    received: OnceLock<Arc<ReceivedHeaders>>,
}

impl Recordings {
    /// Starts the recordings of all recorders, and then the log span; `None` if there are none. A recording that has a
    /// position of its own moves the context there. `settle` sees the context that the log span has.
    pub(super) fn start(
        propagator: &Propagator,
        context: &mut Option<PropagationContext>,
        start: impl Fn(&dyn Recorder, Option<&PropagationContext>) -> Option<Box<dyn Recording>>,
        settle: impl FnOnce(&mut Option<PropagationContext>),
    ) -> Option<Arc<Self>> {
        let mut recordings = Vec::new();
        for recorder in propagator.recorders() {
            if let Some(recording) = start(&**recorder, context.as_ref()) {
                if let Some(moved) = recording.context() {
                    *context = Some(moved.clone());
                }
                recordings.push(recording);
            }
        }
        settle(context);
        #[cfg(feature = "tracing")]
        if let Some(span) = around_all(propagator.recorders(), &mut || {
            start(&crate::recorder::LogSpans, context.as_ref())
        }) {
            recordings.insert(0, span);
        }
        if recordings.is_empty() {
            return None;
        }
        Some(Arc::new(Self { recordings, ..Self::default() }))
    }

    pub(super) fn need_position_in_request(&self) -> bool {
        self.recordings.iter().any(|recording| recording.needs_position_in_request())
    }

    /// Keeps the trace headers of the request for middleware further in.
    pub(super) fn keep_received(&self, headers: Arc<ReceivedHeaders>) {
        let _ = self.received.set(headers);
    }

    /// Calls a function inside of all recordings.
    pub(super) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        call_within(|work| enter_all(&self.recordings, work), f)
    }

    pub(super) fn extend(&self, extensions: &mut dyn Any) {
        self.recordings.iter().for_each(|recording| recording.extend(extensions));
    }

    pub(super) fn set_error(&self, status: u16, error: &dyn Error) {
        self.recordings.iter().for_each(|recording| recording.set_error(status, error));
    }

    pub(super) fn set_status(&self, status: u16) {
        self.recordings.iter().for_each(|recording| recording.set_status(status));
    }

    pub(super) fn set_grpc_status(&self, status: Option<u8>) {
        if let Some(status) = status {
            self.recordings.iter().for_each(|recording| recording.set_grpc_status(status));
        }
    }

    /// Ends all recordings, the innermost first, unless that was done.
    pub(super) fn finish(&self, outcome: &Outcome<'_>) {
        if !self.is_finished.swap(true, Ordering::Relaxed) {
            self.recordings.iter().rev().for_each(|recording| recording.finish(outcome));
        }
    }
}

impl RequestRecordings for Recordings {
    fn set_route(&self, method: &str, pattern: &str) {
        self.recordings.iter().for_each(|recording| recording.set_route(method, pattern));
    }

    fn received(&self) -> Option<Arc<ReceivedHeaders>> {
        self.received.get().cloned()
    }
}

fn enter_all(recordings: &[Box<dyn Recording>], work: &mut dyn FnMut()) {
    match recordings.split_first() {
        Some((outer, inner)) => outer.enter(&mut || enter_all(inner, work)),
        None => work(),
    }
}

/// Opens a log span inside of the [`around_log_span`](Recorder::around_log_span) of all recorders.
#[cfg(feature = "tracing")]
fn around_all<R>(recorders: &[Arc<dyn Recorder>], open: &mut dyn FnMut() -> R) -> R {
    match recorders.split_first() {
        Some((outer, inner)) => {
            call_within(|work| outer.around_log_span(work), || around_all(inner, open))
        }
        None => open(),
    }
}

impl fmt::Debug for Recordings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recordings")
            .field("len", &self.recordings.len())
            .field("is_finished", &self.is_finished)
            .finish()
    }
}
