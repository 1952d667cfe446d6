use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;
use tracehop::hop::{InHop, ServerHop};

pin_project! {
    /// The body of a response. A streamed body is polled in the trace of its request: it may call other services after
    /// its handler has returned.
    #[derive(Debug)]
    pub struct TracedBody<B> {
        #[pin]
        body: Body<B>,
    }
}

pin_project! {
    #[project = BodyProjection]
    #[derive(Debug)]
    enum Body<B> {
        // A body that is complete runs no code of the application. `None` once it is sent.
        Complete { bytes: Option<Bytes> },
        Working { #[pin] body: InHop<B> },
    }
}

impl<B: MessageBody> TracedBody<B> {
    pub(crate) fn new(body: B, mut hop: ServerHop) -> Self {
        let size = body.size();
        // The hop of a stream ends with the stream.
        if size != BodySize::Stream {
            hop.complete();
        }
        let body = match size {
            BodySize::Sized(_) => body.try_into_bytes(),
            // `None` sends no `Content-Length`, and an empty body does.
            BodySize::None | BodySize::Stream => Err(body),
        };
        let body = match body {
            Ok(bytes) => Body::Complete { bytes: Some(bytes) },
            Err(body) => Body::Working { body: InHop::new(body, hop) },
        };
        Self { body }
    }
}

impl<B: MessageBody> MessageBody for TracedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        match &self.body {
            Body::Complete { bytes } => bytes.as_ref().map_or(BodySize::None, MessageBody::size),
            Body::Working { body } => body.value().map_or(BodySize::None, MessageBody::size),
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.project().body.project() {
            BodyProjection::Complete { bytes } => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok))
            }
            BodyProjection::Working { body } => body.poll_body(|body| body.poll_next(cx)),
        }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        match self.body {
            Body::Complete { bytes } => Ok(bytes.unwrap_or_default()),
            Body::Working { mut body } => match body.take_value().map(B::try_into_bytes) {
                None => Ok(Bytes::new()),
                Some(Ok(bytes)) => {
                    if let Some(hop) = body.hop() {
                        hop.finish();
                    }
                    Ok(bytes)
                }
                Some(Err(value)) => {
                    body.put_back(value);
                    Err(Self { body: Body::Working { body } })
                }
            },
        }
    }
}
