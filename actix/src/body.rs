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
        // All of a body that was there with the response: nobody's code makes it, and it needs nothing of the rest.
        whole: Option<Bytes>,
        // There until it is dropped, or taken as bytes.
        #[pin]
        body: Option<B>,
        // There is one, unless the response was asked for when it had been given already.
        context: Option<PropagationContext>,
        around: Option<Around>,
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

impl<B: MessageBody> TracedBody<B> {
    pub(crate) fn new(body: B, context: Option<PropagationContext>, around: Around) -> Self {
        let body = match body.size() {
            BodySize::Sized(_) => body.try_into_bytes(),
            // No body is something else than an empty one.
            BodySize::None | BodySize::Stream => Err(body),
        };
        match body {
            Ok(whole) => Self { whole: Some(whole), body: None, context: None, around: None },
            Err(body) => Self { whole: None, body: Some(body), context, around: Some(around) },
        }
    }
}

fn in_both<R>(
    context: &Option<PropagationContext>,
    around: &Option<Around>,
    f: impl FnOnce() -> R,
) -> R {
    let in_trace = || match context {
        Some(context) => context.in_scope(f),
        None => f(),
    };
    match around {
        Some(around) => around.run(in_trace),
        None => in_trace(),
    }
}

impl<B: MessageBody> MessageBody for TracedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        match (&self.whole, &self.body) {
            (Some(whole), _) => whole.size(),
            (None, Some(body)) => body.size(),
            (None, None) => BodySize::None,
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        let Some(body) = this.body.as_pin_mut() else {
            let whole = this.whole.take().filter(|whole| !whole.is_empty());
            return Poll::Ready(whole.map(Ok));
        };
        let polled = in_both(this.context, this.around, || body.poll_next(cx));
        if let Some(Around { sentry, .. }) = this.around {
            match &polled {
                Poll::Ready(None) => sentry.end(),
                Poll::Ready(Some(Err(_))) => sentry.break_off(),
                _ => (),
            }
        }
        polled
    }

    fn try_into_bytes(mut self) -> Result<Bytes, Self> {
        if let Some(whole) = self.whole.take() {
            return Ok(whole);
        }
        match self.body.take().map_or(Ok(Bytes::new()), MessageBody::try_into_bytes) {
            Ok(bytes) => {
                if let Some(around) = &mut self.around {
                    around.sentry.end();
                }
                Ok(bytes)
            }
            Err(body) => {
                self.body = Some(body);
                Err(self)
            }
        }
    }
}
