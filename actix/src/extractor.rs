use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, ResponseError};
use tracehop::{PropagationContext, Propagator};

use crate::request::{Route, continue_trace, name_by_route, trace_of};
use crate::span::correct_route;

/// Extractor of the trace that a request belongs to.
///
/// With the middleware [`TracePropagation`](crate::TracePropagation) it is the trace that the middleware
/// continued. Without, it continues the trace itself, by a [`Propagator`] in the App's data; then no trace is
/// current in the handler, and outgoing requests must be told theirs.
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
/// [`NotConfigured`], a response with status 500, if there is neither.
#[derive(Debug, Clone)]
pub struct Trace(PropagationContext);

impl Trace {
    /// The context, to keep.
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

impl FromRequest for Trace {
    type Error = NotConfigured;
    type Future = Ready<Result<Self, NotConfigured>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let propagator = || {
            let data = request.app_data::<Data<Propagator>>().map(|data| &***data);
            data.or_else(|| request.app_data::<Propagator>())
        };
        let route = Route::of(request);
        let context = trace_of(request)
            .or_else(|| propagator().map(|propagator| continue_trace(propagator, &route)));
        if let Some(context) = &context {
            // Once more, since only now the route is known for sure: guards have had their say.
            name_by_route(context, &route);
            correct_route(&route);
        }
        ready(context.map(Self).ok_or(NotConfigured))
    }
}

/// A handler asks for its [`Trace`], and the App has neither the middleware nor a propagator in its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotConfigured;

impl fmt::Display for NotConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no trace for this request: wrap the App in tracehop_actix::TracePropagation, \
             or give it a Propagator with App::app_data",
        )
    }
}

impl Error for NotConfigured {}

/// Status 500, as for other data that an App lacks.
impl ResponseError for NotConfigured {}
