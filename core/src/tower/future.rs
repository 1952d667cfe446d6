use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::TracedBody;
use crate::hop::InHop;

pin_project! {
    /// The future of [`TracePropagation`](super::TracePropagation).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you await or poll them"]
    pub struct ResponseFuture<F> {
        #[pin]
        pub(super) future: InHop<F>,
        pub(super) server_timing: bool,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<TracedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (result, mut hop) = ready!(this.future.poll_output(cx));
        let mut response = match result {
            Ok(response) => response,
            Err(error) => {
                hop.fail("service");
                return Poll::Ready(Err(error));
            }
        };
        let status = response.status().as_u16();
        let timing = hop.respond(status, response.headers(), None, *this.server_timing);
        if let Some(value) = timing.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().append("server-timing", value);
        }
        let (parts, body) = response.into_parts();
        let body = TracedBody::new(body, &parts.headers, hop);
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}
