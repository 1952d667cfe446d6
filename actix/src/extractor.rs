use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, ResponseError};
use tracehop::hop::{continue_request, name_by_route};
use tracehop::html::HasTrace;
use tracehop::{PropagationContext, Propagator};

use crate::request::{Incoming, known_context};

/// Extractor of the trace that a request belongs to.
///
/// With the middleware [`TracePropagation`](crate::TracePropagation) this is the trace that the middleware
/// continued or started. Without it, the extractor continues the trace by a [`Propagator`] in the App's data. Then no
/// trace is current in the handler, and outgoing requests need their trace from the application.
///
/// ```
/// use actix_web::{App, Responder, web};
/// use tracehop_actix::Trace;
/// use tracehop_actix::tracehop::Propagator;
///
/// async fn page(trace: Trace) -> impl Responder {
///     trace.trace_id().to_string()
/// }
///
/// let propagator = Propagator::builder().build()?;
/// let app = App::new().app_data(web::Data::new(propagator)).route("/", web::get().to(page));
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`NotConfigured`], a response with status 500, if the App has neither the middleware nor a propagator.
#[derive(Debug, Clone)]
pub struct Trace(PropagationContext);

impl Trace {
    /// Returns the context, such as for a job that outlives the request.
    pub fn into_inner(self) -> PropagationContext {
        self.0
    }
}

impl Deref for Trace {
    type Target = PropagationContext;

    fn deref(&self) -> &PropagationContext {
        &self.0
    }
}

impl AsRef<PropagationContext> for Trace {
    fn as_ref(&self) -> &PropagationContext {
        &self.0
    }
}

/// Lets templates render the trace.
impl HasTrace for Trace {
    fn trace(&self) -> Option<&PropagationContext> {
        Some(&self.0)
    }
}

impl FromRequest for Trace {
    type Error = NotConfigured;
    type Future = Ready<Result<Self, NotConfigured>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let context = known_context(request).or_else(|| {
            let data = request.app_data::<Data<Propagator>>().map(|data| &***data);
            let propagator = data.or_else(|| request.app_data::<Propagator>())?;
            let incoming = Incoming::new(request);
            let context = continue_request(propagator, None, request.headers(), &incoming);
            request.extensions_mut().insert(context.clone());
            Some(context)
        });
        if let Some(context) = &context {
            // Guards have decided by now, and the middleware may have seen another route.
            name_by_route(context, &Incoming::new(request));
        }
        ready(context.map(Self).ok_or(NotConfigured))
    }
}

/// The error of a handler that takes a [`Trace`] in an App with neither the middleware nor a propagator in its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotConfigured;

impl fmt::Display for NotConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no trace for this request: wrap the App in `tracehop_actix::TracePropagation`, \
             or give it a `Propagator` with `App::app_data`",
        )
    }
}

impl Error for NotConfigured {}

/// Responds with status 500, as for other missing data of an App.
impl ResponseError for NotConfigured {}
