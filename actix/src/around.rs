//! What a request is worked at in, besides its trace.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;

use crate::sentry::Part;
use crate::span::RequestSpan;

/// The span of a request in the logs, and its hub and transaction of Sentry's SDK: each if it is asked for.
#[derive(Debug)]
pub(crate) struct Around {
    pub(crate) span: RequestSpan,
    pub(crate) sentry: Part,
}

impl Around {
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.sentry.run(|| self.span.in_scope(f))
    }

    /// Notes what became of the request.
    pub(crate) fn record<B>(&mut self, response: &Result<ServiceResponse<B>, Error>) {
        self.span.record_response(response);
        if let Err(error) = response {
            self.sentry.fail(error);
        }
    }

    /// What is around the body of the response. The transaction ends here, unless the body is yet to be made.
    pub(crate) fn respond<B: MessageBody>(&mut self, response: &ServiceResponse<B>) -> Self {
        Self { span: self.span.clone(), sentry: self.sentry.respond(response) }
    }
}
