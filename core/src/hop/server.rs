//! The server hop: a request that this service answers.

use std::any::Any;
use std::error::Error;
use std::sync::{Arc, Weak};

use super::cache::may_be_reused;
use super::recordings::Recordings;
use super::response_headers::{ResponseHeaders, grpc_status};
use crate::carrier::{Extractor, Injector, ReceivedHeaders};
use crate::context::{PropagationContext, TraceData};
use crate::propagator::Propagator;
use crate::recorder::{IncomingRequest, Outcome, Recorder, find_method};

/// A request that this service answers: its position in the trace, and its recordings.
///
/// A hop that is dropped before [`finish`](Self::finish) was cancelled, unless its response is
/// [complete](Self::complete). See the [module's documentation](super) for an
/// example.
#[derive(Debug)]
#[must_use = "the request is recorded for as long as the hop lives"]
pub struct ServerHop {
    context: PropagationContext,
    /// Dropped with the hop, which ends recordings that are not finished.
    recordings: Option<Arc<Recordings>>,
    /// The trace headers as received, if middleware further out replaced them by its position.
    received: Option<Arc<ReceivedHeaders>>,
    is_head: bool,
    status: u16,
    is_complete: bool,
}

impl ServerHop {
    /// Continues the trace of a request, names the transaction by the route, and starts the recordings.
    ///
    /// `known` is the context that the same middleware further out, or another part of the adapter, has kept with the
    /// request. The trace of such a context is not recorded twice.
    pub fn start<E: Extractor + ?Sized>(
        propagator: &Propagator,
        known: Option<PropagationContext>,
        carrier: &E,
        request: &dyn IncomingRequest,
    ) -> Self {
        let (received, is_head) = (received(known.as_ref()), request.method() == "HEAD");
        let context = continue_request(propagator, known, carrier, request);
        if !propagator.records() || context.is_recorded() {
            return Self::new(context, None, received, is_head);
        }
        let mut position = Some(context.clone());
        let start = |recorder: &dyn Recorder, position: Option<&PropagationContext>| {
            recorder.start_incoming(position.unwrap_or(&context), request)
        };
        let recordings = Recordings::start(propagator, &mut position, start, |_| ());
        let position = position.unwrap_or_else(|| context.clone());
        // Set even if no recorder records the request: the same middleware further in then does not ask again.
        let weak = recordings.as_ref().map_or_else(Weak::new, Arc::downgrade);
        context.set_recordings(weak.clone());
        // A recorder may have moved the position to another trace.
        position.set_recordings(weak);
        Self::new(position, recordings, received, is_head)
    }

    fn new(
        context: PropagationContext,
        recordings: Option<Arc<Recordings>>,
        received: Option<Arc<ReceivedHeaders>>,
        is_head: bool,
    ) -> Self {
        Self { context, recordings, received, is_head, status: 0, is_complete: false }
    }

    /// Returns the propagator for the middleware of one worker thread. To be called on that thread.
    pub fn propagator_for_worker(propagator: &Propagator) -> Propagator {
        propagator.for_worker()
    }

    /// Returns the position to keep with the request.
    pub fn context(&self) -> &PropagationContext {
        &self.context
    }

    /// Whether the headers of the request must have this service's position, for a middleware further in that
    /// continues the trace from them. Then call [`inject_position`](Self::inject_position).
    pub fn needs_position_in_request(&self) -> bool {
        self.recordings.as_ref().is_some_and(|all| all.need_position_in_request())
    }

    /// Writes this service's position into the headers of the request, in place of the caller's.
    ///
    /// The `baggage` stays as received if the trace was continued with it. If not, this service's organisation replaces
    /// its `sentry-` members: by that an SDK further in continues the trace. The DSC is not frozen.
    /// Middleware further in of another propagator, for which this context is `known`, still continues from the
    /// headers as received.
    pub fn inject_position<C: Extractor + Injector + ?Sized>(&self, carrier: &mut C) {
        if let Some(recordings) = &self.recordings {
            let received = self.received.clone();
            recordings.keep_received(
                received.unwrap_or_else(|| Arc::new(ReceivedHeaders::copy(carrier))),
            );
        }
        self.context.inject_position(carrier);
    }

    /// Adds what other middleware looks for to the extensions of the request, such as an SDK's hub.
    pub fn extend<T: Any>(&self, extensions: &mut T) {
        if let Some(recordings) = &self.recordings {
            recordings.extend(extensions);
        }
    }

    /// Calls a function in the scope of the hop: the log span outermost, then the recordings, such as an SDK's hub, and
    /// the context innermost.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let work = || self.context.as_current(f);
        match &self.recordings {
            Some(recordings) => recordings.enter(work),
            None => work(),
        }
    }

    /// Notes the head of the response. Returns the value of a `Server-Timing` header to add, or `None`.
    ///
    /// There is a value if `server_timing` asks for it, and the response is HTML or a 304. No cache may
    /// [reuse](may_be_reused) the response without asking, and the response has no such value yet.
    ///
    /// A 304 renews the headers of the page that the browser keeps. It needs a value of its own, and has no
    /// `Content-Type` in most cases.
    ///
    /// The route is read again, because guards decide after a middleware was called. `request` is `None` if the
    /// framework has consumed the request. If caches may reuse a page with the trace in it, there is a warning, once
    /// for each route.
    ///
    /// A response without [content](https://www.rfc-editor.org/rfc/rfc9110#section-6.4.1) is
    /// [complete](Self::complete): that of a `HEAD`, and statuses 204 and 304. The recordings end here with a status 1xx:
    /// what follows a 101 is no response any more.
    pub fn respond<H: ResponseHeaders + ?Sized>(
        &mut self,
        status: u16,
        headers: &H,
        request: Option<&dyn IncomingRequest>,
        server_timing: bool,
    ) -> Option<String> {
        self.status = status;
        if let Some(recordings) = &self.recordings {
            if let Some(request) = request {
                name_by_route(&self.context, request);
            }
            recordings.set_status(status);
            recordings.set_grpc_status(grpc_status(headers));
        }
        if self.is_head || matches!(status, 204 | 304) {
            self.complete();
        }
        if matches!(status, 100..200) {
            self.finish();
        }
        let server_timing = server_timing && (is_html(headers) || renews_unknown(status, headers));
        if !server_timing && !self.context.is_in_page() {
            return None;
        }
        if may_be_reused(status, headers) {
            self.warn_of_reused_page(request);
            return None;
        }
        // The same middleware further in may have added it.
        let has_ours =
            headers.lines("server-timing").any(|line| line.starts_with(b"sentry-trace;"));
        (server_timing && !has_ours).then(|| self.context.trace_data().server_timing())
    }

    fn warn_of_reused_page(&self, request: Option<&dyn IncomingRequest>) {
        let route = request.and_then(IncomingRequest::route);
        // Without a request, the trace may have the route in its name.
        let route = route.or_else(|| self.context.transaction()).unwrap_or_default();
        if self.context.is_in_page() && self.context.options().warned_routes.is_new(&route) {
            #[cfg(feature = "tracing")]
            self.run(|| {
                tracing::warn!(
                    route = ?route,
                    "caches may show this page again without asking, and it has the tags of a trace: all these visits \
                     would be in that trace. Leave the tags out, or send `Cache-Control: no-store`"
                );
            });
        }
    }

    /// Notes the error that a handler returned, and the status of the response that it became.
    pub fn note_error(&self, status: u16, error: &dyn Error) {
        if let Some(recordings) = &self.recordings {
            recordings.set_error(status, error);
        }
    }

    /// Notes that the response needs no more of its body: the recordings end with the response when the hop is dropped.
    ///
    /// Frameworks drop a body of known length, or one that is not sent, without reading it to its end.
    pub fn complete(&mut self) {
        self.is_complete = true;
    }

    /// Ends the recordings with the response that [`respond`](Self::respond) noted.
    pub fn finish(&self) {
        self.end(&Outcome::Completed { status: self.status });
    }

    /// Ends the recordings with the trailers of the response, if it has any: a gRPC call has its status there.
    pub fn finish_with_trailers<H: ResponseHeaders + ?Sized>(&self, trailers: Option<&H>) {
        if let Some(recordings) = &self.recordings {
            recordings.set_grpc_status(trailers.and_then(grpc_status));
        }
        self.finish();
    }

    /// Ends the recordings of a request that another middleware answers with an error, which becomes a response of
    /// this status.
    pub fn finish_with_error(&self, status: u16, error: &dyn Error) {
        self.note_error(status, error);
        if let Some(recordings) = &self.recordings {
            recordings.set_status(status);
        }
        self.end(&Outcome::Completed { status });
    }

    /// Ends the recordings of a request that has no response, or whose response broke off. The kind is that of the
    /// error, such as `body`, and not its text.
    pub fn fail(&self, kind: &str) {
        self.end(&Outcome::Failed { kind });
    }

    fn end(&self, outcome: &Outcome<'_>) {
        if let Some(recordings) = &self.recordings {
            recordings.finish(outcome);
        }
    }
}

impl Drop for ServerHop {
    fn drop(&mut self) {
        if self.is_complete {
            self.finish();
        }
    }
}

/// Continues the trace of a request, and names its transaction by the route. Returns the known context instead if this
/// propagator made it.
pub fn continue_request<E: Extractor + ?Sized>(
    propagator: &Propagator,
    known: Option<PropagationContext>,
    carrier: &E,
    request: &dyn IncomingRequest,
) -> PropagationContext {
    let received = received(known.as_ref());
    if let Some(known) = known.filter(|known| propagator.is_propagator_of(known)) {
        return known;
    }
    let context = match received {
        Some(received) => propagator.continue_trace_of(&*received, Some(request)),
        None => propagator.continue_trace_of(carrier, Some(request)),
    };
    name_by_route(&context, request);
    context
}

/// Returns the trace headers as received, if middleware further out replaced them by its position.
fn received(known: Option<&PropagationContext>) -> Option<Arc<ReceivedHeaders>> {
    known?.recordings()?.received()
}

/// Names the transaction by method and route, `GET /users/{id}`, unless the application has named it, and notes the
/// route in the recordings of the request.
///
/// Requests without a route, those with an empty one, and those with an unknown method have no name: path and method
/// are arbitrary client input. The route is read only if a name has an effect, or if the request is recorded.
pub fn name_by_route(context: &PropagationContext, request: &dyn IncomingRequest) {
    let recordings = context.recordings();
    if !context.uses_transaction() && recordings.is_none() {
        return;
    }
    if let Some(route) = request.route() {
        if let Some(method) = find_method(request.method())
            && !route.trim().is_empty()
        {
            context.set_route_name([method, " ", &route].concat());
        }
        if let Some(recordings) = recordings {
            recordings.set_route(request.method(), &route);
        }
    }
}

/// Returns what is handed on to a page, and notes that the page has it: [`ServerHop::respond`] warns if caches may
/// [reuse](may_be_reused) such a page.
#[must_use]
pub fn trace_data_for_page(context: &PropagationContext) -> TraceData<'_> {
    context.set_in_page();
    context.trace_data()
}

/// Whether a 304 renews a response of an unknown type.
fn renews_unknown<H: ResponseHeaders + ?Sized>(status: u16, headers: &H) -> bool {
    status == 304 && headers.lines("content-type").next().is_none()
}

fn is_html<H: ResponseHeaders + ?Sized>(headers: &H) -> bool {
    headers.lines("content-type").any(|line| {
        let essence = line.split(|byte| *byte == b';').next().unwrap_or(line);
        essence.trim_ascii().eq_ignore_ascii_case(b"text/html")
    })
}
