use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::hop::{InHop, ServerHop};

pin_project! {
    /// The body of a response. A streamed body works in the trace of its request: it may call other services after
    /// its handler has returned.
    #[derive(Debug)]
    pub struct TracedBody<B> {
        #[pin]
        body: InHop<B>,
    }
}

impl<B: Body> TracedBody<B> {
    pub(super) fn new(body: B, headers: &HeaderMap, mut hop: ServerHop) -> Self {
        // Servers do not poll such a body to its end.
        if body.size_hint().exact().is_some() || headers.contains_key(CONTENT_LENGTH) {
            hop.complete();
        }
        Self { body: InHop::new(body, hop) }
    }
}

impl<B: Body> Body for TracedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut body = self.project().body;
        let polled = body.as_mut().poll_body(|body| body.poll_frame(cx));
        // Servers do not poll a body again after its last frame. `take_hop` drops the body first: what the body holds,
        // such as a span, belongs to the request.
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && (frame.is_trailers() || body.value().is_none_or(Body::is_end_stream))
            && let Some(hop) = body.take_hop()
        {
            hop.finish_with_trailers(frame.trailers_ref());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.value().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.value().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
