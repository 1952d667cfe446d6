//! A request through actix-web, without the middleware and with it.

use std::fmt;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actix_web::body::MessageBody;
use actix_web::dev::{Service as _, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Path};
use actix_web::{App, Error};
use http::HeaderMap;
use tracehop_actix::TracePropagation;

use crate::fixture::builder;

/// Sends a request with these headers through a service. Returns the status of the response.
type Answer = Box<dyn FnMut(&HeaderMap) -> u16>;

/// The same service twice.
pub(crate) struct Apps {
    pub(crate) plain: Answer,
    pub(crate) traced: Answer,
}

impl Default for Apps {
    #[expect(clippy::expect_used, reason = "constants")]
    fn default() -> Self {
        let routes = || {
            let user = async |id: Path<u32>| id.to_string();
            App::new().route("/users/{id}", web::get().to(user))
        };
        let propagator = builder().build().expect("options");
        Self {
            plain: answer(routes()),
            traced: answer(routes().wrap(TracePropagation::new(propagator))),
        }
    }
}

impl fmt::Debug for Apps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apps").finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "the services of these rows never wait")]
fn answer<T, B>(app: App<T>) -> Answer
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let service = now(init_service(app)).expect("a service");
    Box::new(move |headers| {
        let mut request = TestRequest::get().uri("/users/7");
        for (name, value) in headers {
            request = request.append_header((name.as_str(), value.as_bytes()));
        }
        let response = now(service.call(request.to_request()));
        response.and_then(Result::ok).map_or(0, |response| black_box(response).status().as_u16())
    })
}

/// Returns the output of a future that does not wait.
fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
