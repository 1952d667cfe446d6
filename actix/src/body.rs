use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;
use tracehop::PropagationContext;

pin_project! {
    /// The body of a response, made in the trace of its request: one that is streamed may still call other
    /// services when its handler has long returned.
    #[derive(Debug)]
    pub struct TracedBody<B> {
        #[pin]
        body: B,
        // There is one, unless the response was asked for when it had been given already.
        context: Option<PropagationContext>,
    }
}

impl<B> TracedBody<B> {
    pub(crate) fn new(body: B, context: Option<PropagationContext>) -> Self {
        Self { body, context }
    }
}

impl<B: MessageBody> MessageBody for TracedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        match this.context {
            Some(context) => context.in_scope(|| this.body.poll_next(cx)),
            None => this.body.poll_next(cx),
        }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, context } = self;
        body.try_into_bytes().map_err(|body| Self { body, context })
    }
}
