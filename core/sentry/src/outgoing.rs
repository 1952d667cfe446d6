//! The recording of a request that this service makes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sentry_core::Hub;
use sentry_core::protocol::SpanStatus;
use tracehop::PropagationContext;
use tracehop::recorder::{Outcome, OutgoingRequest, Recording};

use crate::child_span::ChildSpan;
use crate::registry::Registry;

/// A request, whether a span of it is recorded or not.
pub(crate) struct OutgoingRecording {
    /// The hub of the caller. The SDK's `tracing` layer binds another one inside of the log span of the request.
    hub: Arc<Hub>,
    context: Option<PropagationContext>,
    /// `None` if no span is recorded, or if it is finished.
    span: Mutex<Option<ChildSpan>>,
    grpc_status: OnceLock<u8>,
}

impl OutgoingRecording {
    pub(crate) fn start(
        context: Option<&PropagationContext>,
        registry: &Arc<Registry>,
        request: &dyn OutgoingRequest,
    ) -> Self {
        let span = context.and_then(|context| {
            ChildSpan::http_client(context, registry, request.method(), &request.url())
        });
        let context = span.as_ref().map(|span| span.context().clone());
        Self { hub: Hub::current(), context, span: Mutex::new(span), grpc_status: OnceLock::new() }
    }
}

impl Recording for OutgoingRecording {
    fn context(&self) -> Option<&PropagationContext> {
        self.context.as_ref()
    }

    fn enter(&self, work: &mut dyn FnMut()) {
        Hub::run(Arc::clone(&self.hub), work);
    }

    fn set_grpc_status(&self, code: u8) {
        let _ = self.grpc_status.set(code);
    }

    fn finish(&self, outcome: &Outcome<'_>) {
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (span, outcome) {
            (Some(span), Outcome::Completed { status, .. }) => match self.grpc_status.get() {
                Some(code) => span.finish_with_grpc_status(*status, *code),
                None => span.finish_with_http_status(*status),
            },
            (Some(span), Outcome::Failed { kind: "timeout", .. }) => {
                span.finish(SpanStatus::DeadlineExceeded);
            }
            (Some(span), _) => span.finish(SpanStatus::InternalError),
            (None, _) => (),
        }
    }
}
