//! The transaction of a request, beside whoever else has one.

use std::mem::take;
use std::sync::Arc;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage as _};
use sentry_core::Hub;
use sentry_core::protocol::{Request, SpanStatus};
use tracehop::sentry::Transaction;
use tracehop::{PropagationContext, without_secrets};

use crate::request::write_position;

/// Whether requests have transactions; then with the hub of the worker thread, which no request has bound.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worker(Option<Arc<Hub>>);

impl Worker {
    /// To be made where the middleware is, in the worker's thread.
    pub(crate) fn new(is_asked_for: bool) -> Self {
        Self(is_asked_for.then(Hub::current))
    }

    /// Starts the transaction of a request, unless it has one. The context is at its position.
    pub(crate) fn start(
        &self,
        context: PropagationContext,
        request: &mut ServiceRequest,
    ) -> (PropagationContext, Part) {
        match &self.0 {
            // The same middleware further out has started it.
            Some(worker) if !Transaction::is_running(&context) => start(worker, &context, request),
            _ => (context, Part::default()),
        }
    }
}

/// The hub that this middleware, with another propagator, has bound further out.
struct Bound(Arc<Hub>);

fn start(
    worker: &Arc<Hub>,
    context: &PropagationContext,
    request: &mut ServiceRequest,
) -> (PropagationContext, Part) {
    let current = Hub::current();
    let is_ours =
        request.extensions().get::<Bound>().is_some_and(|bound| Arc::ptr_eq(&bound.0, &current));
    // Whoever else bound a hub may capture errors with it when this middleware is done.
    let is_of_another = !is_ours && !Arc::ptr_eq(&current, worker);
    let hub = if is_of_another {
        current
    } else {
        let hub = Hub::new_from_top(current);
        hub.configure_scope(|scope| scope.set_span(None));
        Arc::new(hub)
    };
    let (method, pattern) = (request.method().clone(), request.match_pattern());
    let transaction = Transaction::http_server(context, hub, method.as_str(), pattern.as_deref());
    transaction.set_origin("auto.http.tracehop");
    if transaction.is_own() {
        transaction.set_request(described(request));
    }
    let context = transaction.context().clone();
    if !is_of_another {
        // For the SDK's middleware further in.
        write_position(&context, request);
    }
    let hub = Arc::clone(transaction.hub());
    request.extensions_mut().insert(Bound(Arc::clone(&hub)));
    request.extensions_mut().insert(context.clone());
    (context, Part { hub: Some(hub), transaction: Some(transaction), http_status: 0 })
}

/// What is said of a request: nothing that may be a secret.
fn described(request: &ServiceRequest) -> Request {
    let info = request.connection_info();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let url = [info.scheme(), "://", info.host(), path].concat();
    Request {
        // The host is what the client says it is.
        url: without_secrets(&url).parse().ok(),
        method: Some(request.method().to_string()),
        ..Request::default()
    }
}

/// A request's part in Sentry, first with its handler, then with the body of its response.
#[derive(Debug, Default)]
pub(crate) struct Part {
    hub: Option<Arc<Hub>>,
    transaction: Option<Transaction>,
    http_status: u16,
}

impl Part {
    /// Calls a function with the request's hub.
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.hub {
            Some(hub) => Hub::run(Arc::clone(hub), f),
            None => f(),
        }
    }

    /// Ends the transaction with the response, or hands it to a body that is yet to be made.
    pub(crate) fn respond<B: MessageBody>(&mut self, response: &ServiceResponse<B>) -> Self {
        let mut part = take(self);
        if let Some(transaction) = part.transaction.as_ref().filter(|own| own.is_own()) {
            let request = response.request();
            if let Some(pattern) = request.match_pattern() {
                transaction.set_route(request.method().as_str(), &pattern);
            }
        }
        part.http_status = response.status().as_u16();
        if response.response().body().size() != BodySize::Stream {
            part.end();
        }
        part
    }

    /// Ends the transaction with an error that some other middleware returned.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.http_status = error.as_response_error().status_code().as_u16();
        self.end();
    }

    /// Ends the transaction with the response.
    pub(crate) fn end(&mut self) {
        if let Some(transaction) = take(&mut self.transaction) {
            transaction.finish_with_http_status(self.http_status);
        }
    }

    /// Ends the transaction with a body that broke off.
    pub(crate) fn break_off(&mut self) {
        if let Some(transaction) = take(&mut self.transaction) {
            transaction.finish(SpanStatus::InternalError);
        }
    }
}
