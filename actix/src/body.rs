use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;
use tracehop::PropagationContext;

use crate::around::Around;

pin_project! {
    /// The body of a response, made in the trace of its request: one that is streamed may still call other
    /// services when its handler has long returned.
    #[derive(Debug)]
    pub struct TracedBody<B> {
        // There until it is dropped, or taken as bytes.
        #[pin]
        body: Option<B>,
        // There is one, unless the response was asked for when it had been given already.
        context: Option<PropagationContext>,
        around: Around,
    }

    impl<B> PinnedDrop for TracedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What is said and done at the end of a stream belongs to it, as with a future that is dropped.
            if this.body.is_some() {
                in_both(this.context, this.around, || this.body.set(None));
            }
        }
    }
}

impl<B> TracedBody<B> {
    pub(crate) fn new(body: B, context: Option<PropagationContext>, around: Around) -> Self {
        Self { body: Some(body), context, around }
    }
}

fn in_both<R>(context: &Option<PropagationContext>, around: &Around, f: impl FnOnce() -> R) -> R {
    around.run(|| match context {
        Some(context) => context.in_scope(f),
        None => f(),
    })
}

impl<B: MessageBody> MessageBody for TracedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.as_ref().map_or(BodySize::None, MessageBody::size)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        let Some(body) = this.body.as_pin_mut() else { return Poll::Ready(None) };
        let polled = in_both(this.context, this.around, || body.poll_next(cx));
        match &polled {
            Poll::Ready(None) => this.around.sentry.end(),
            Poll::Ready(Some(Err(_))) => this.around.sentry.break_off(),
            _ => (),
        }
        polled
    }

    fn try_into_bytes(mut self) -> Result<Bytes, Self> {
        match self.body.take().map_or(Ok(Bytes::new()), MessageBody::try_into_bytes) {
            Ok(bytes) => {
                self.around.sentry.end();
                Ok(bytes)
            }
            Err(body) => {
                self.body = Some(body);
                Err(self)
            }
        }
    }
}
