//! The client hop: a request that this service makes.

use std::pin::pin;
use std::sync::Arc;

use super::recordings::Recordings;
use super::response_headers::{ResponseHeaders, grpc_status};
use crate::carrier::Injector;
use crate::context::PropagationContext;
use crate::propagator::Propagator;
use crate::recorder::{self, Outcome, OutgoingRequest};
use crate::targets::RequestUrl;

/// What an application chose for the trace of one request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TraceChoice {
    /// The request is part of this trace.
    Given(PropagationContext),
    /// The request has no trace.
    Without,
}

/// A request that this service makes: its position in the trace, and its recordings.
///
/// A hop that is dropped before [`finish`](Self::finish) was cancelled.
///
/// ```
/// use std::borrow::Cow;
/// use std::collections::HashMap;
///
/// use tracehop::Propagator;
/// use tracehop::hop::ClientHop;
/// use tracehop::recorder::OutgoingRequest;
///
/// struct Request {
///     url: String,
///     headers: HashMap<String, String>,
/// }
///
/// impl OutgoingRequest for Request {
///     fn method(&self) -> &str {
///         "GET"
///     }
///
///     fn url(&self) -> Cow<'_, str> {
///         Cow::Borrowed(&self.url)
///     }
/// }
///
/// let propagator = Propagator::builder().build()?;
/// let url = "https://api.example.com/stock".to_owned();
/// let mut request = Request { url, headers: HashMap::new() };
/// let hop = ClientHop::start(&propagator, None, || propagator.start_new_trace(), &request);
/// if hop.propagates_to(&request.url) {
///     hop.inject(&mut request.headers);
/// }
/// assert!(request.headers.contains_key("sentry-trace"));
/// // Without targets and DSN the trace may go everywhere, and redirects need no check.
/// assert!(hop.carried_trace().is_none());
/// hop.finish(200);
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "the request is recorded for as long as the hop lives"]
pub struct ClientHop {
    propagator: Propagator,
    context: Option<PropagationContext>,
    recordings: Option<Arc<Recordings>>,
}

impl ClientHop {
    /// Finds the trace of a request and starts the recordings.
    ///
    /// The trace is the application's choice, else the [current](PropagationContext::current) one, else that of a
    /// recorder's environment, else a `new` one. An adapter keeps a new one with the request, so that its retries are in
    /// the same trace.
    pub fn start(
        propagator: &Propagator,
        choice: Option<TraceChoice>,
        new: impl FnOnce() -> PropagationContext,
        request: &dyn OutgoingRequest,
    ) -> Self {
        let mut context = match choice {
            Some(TraceChoice::Given(context)) => Some(context),
            Some(TraceChoice::Without) => None,
            None => Some(current(propagator).unwrap_or_else(new)),
        };
        let span_id = |context: &Option<PropagationContext>| {
            context.as_ref().map(PropagationContext::span_id)
        };
        let given = span_id(&context);
        let recordings = Recordings::start(
            propagator,
            &mut context,
            |recorder, context| recorder.start_outgoing(context, request),
            |context| {
                // A recorded span has an id of its own already.
                let is_given = span_id(context) == given;
                if propagator.options().span_id_per_request && is_given {
                    *context = context.as_ref().map(PropagationContext::child);
                }
            },
        );
        Self { propagator: propagator.clone(), context, recordings }
    }

    /// Returns the position that the request carries; `None` if it has no trace.
    pub fn context(&self) -> Option<&PropagationContext> {
        self.context.as_ref()
    }

    /// Whether the request carries the trace: its URL is a target both for this client's propagator and for the one
    /// that made the context.
    ///
    /// A URL without a host, such as `/stock`, matches no typed target. If it is no target, there is a warning with the
    /// feature `tracing`, once for each propagator.
    pub fn propagates_to<U: RequestUrl + ?Sized>(&self, url: &U) -> bool {
        let Some(context) = &self.context else { return false };
        let is_target = propagates_to(&self.propagator, context, url);
        if !is_target {
            self.warn_without_host(&url.as_url());
        }
        is_target
    }

    /// Warns once that no target can match, if the URL has no host.
    fn warn_without_host(&self, url: &str) {
        if url.starts_with('/') && self.propagator.options().warned_origins.is_new("") {
            recorder::warn(
                "a request gets no trace headers, because its URL has no host that a target could match. Give the \
                 client its origin, such as by tonic's `with_origin`, or set the header `host`",
            );
        }
    }

    /// Writes the trace into the headers of the request. To be called if the request
    /// [carries](Self::propagates_to) it.
    pub fn inject<I: Injector + ?Sized>(&self, carrier: &mut I) {
        if let Some(context) = &self.context {
            self.run(|| context.inject(carrier));
        }
    }

    /// Returns what checks the redirects of a request with the trace. `None` if the trace may go everywhere: targets,
    /// exceptions, DSN and tunnel are not set.
    pub fn carried_trace(&self) -> Option<CarriedTrace> {
        let context = self.context.as_ref()?;
        let all_options = [context.options(), self.propagator.options()];
        if all_options.iter().all(|options| options.targets.is_everywhere()) {
            return None;
        }
        Some(CarriedTrace { propagator: self.propagator.clone(), context: context.clone() })
    }

    /// Calls a function inside of the recordings.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.recordings {
            Some(recordings) => recordings.enter(f),
            None => f(),
        }
    }

    /// Awaits a future that is polled inside of the recordings.
    pub async fn around<F: Future>(&self, future: F) -> F::Output {
        if self.recordings.is_none() {
            return future.await;
        }
        let mut future = pin!(future);
        std::future::poll_fn(|cx| self.run(|| future.as_mut().poll(cx))).await
    }

    /// Ends the recordings with the head of the response. A gRPC call that fails at once has its status there.
    pub fn respond<H: ResponseHeaders + ?Sized>(&self, status: u16, headers: &H) {
        if let Some(recordings) = &self.recordings {
            recordings.set_grpc_status(grpc_status(headers));
        }
        self.finish(status);
    }

    /// Ends the recordings with the status of the response.
    pub fn finish(&self, status: u16) {
        if let Some(recordings) = &self.recordings {
            recordings.set_status(status);
            recordings.finish(&Outcome::Completed { status });
        }
    }

    /// Ends the recordings of a request without a response. The kind is that of the error, such as `timeout` or
    /// `connect`, and not its text.
    pub fn fail(&self, kind: &str) {
        if let Some(recordings) = &self.recordings {
            recordings.finish(&Outcome::Failed { kind });
        }
    }
}

/// A trace in the headers of a request that must not go everywhere: redirects take the headers along.
#[derive(Debug, Clone)]
pub struct CarriedTrace {
    propagator: Propagator,
    context: PropagationContext,
}

impl CarriedTrace {
    /// Whether the headers may be sent to this URL.
    pub fn may_go_to<U: RequestUrl + ?Sized>(&self, url: &U) -> bool {
        propagates_to(&self.propagator, &self.context, url)
    }

    /// Warns, with the feature `tracing` and once for each origin, if a redirect led the request off the targets.
    /// `origin` returns the origin of the URL. `advice` says what the application should use instead.
    pub fn check_redirect<U: RequestUrl + ?Sized>(
        &self,
        url: &U,
        origin: impl FnOnce() -> String,
        advice: &str,
    ) {
        if self.may_go_to(url) {
            return;
        }
        let origin = origin();
        if self.propagator.options().warned_origins.is_new(&origin) {
            #[cfg(feature = "tracing")]
            tracing::warn!(
                origin,
                "a redirect took trace headers to an origin that is not a target. {advice}"
            );
            #[cfg(not(feature = "tracing"))]
            let _ = advice;
        }
    }
}

/// Returns the context of the running task, or that of the environment of a recorder.
fn current(propagator: &Propagator) -> Option<PropagationContext> {
    PropagationContext::current()
        .or_else(|| propagator.recorders().iter().find_map(|recorder| recorder.current_context()))
}

/// Whether both a client's propagator and the one that made a context have the URL as a target.
fn propagates_to<U: RequestUrl + ?Sized>(
    propagator: &Propagator,
    context: &PropagationContext,
    url: &U,
) -> bool {
    context.propagates_to(url)
        && (propagator.is_propagator_of(context) || propagator.options().is_target(url))
}
