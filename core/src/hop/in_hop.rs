//! A future or a body that works in a server hop.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::ServerHop;

pin_project! {
    /// A value that works in a [`ServerHop`], such as the future of a handler or the body of a response. It is
    /// polled and dropped in the scope of the hop.
    #[derive(Debug)]
    #[must_use = "the value does nothing unless it is polled"]
    pub struct InHop<T> {
        // `None` while the value is dropped or taken.
        #[pin]
        value: Option<T>,
        // `None` once it was taken.
        hop: Option<ServerHop>,
    }

    impl<T> PinnedDrop for InHop<T> {
        fn drop(this: Pin<&mut Self>) {
            this.drop_value();
        }
    }
}

impl<T> InHop<T> {
    /// Puts a value into a hop.
    pub fn new(value: T, hop: ServerHop) -> Self {
        Self { value: Some(value), hop: Some(hop) }
    }

    /// Returns the value, unless it was dropped or taken.
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Returns the hop, unless it was taken.
    pub fn hop(&self) -> Option<&ServerHop> {
        self.hop.as_ref()
    }

    /// Calls a function with the value in the scope of the hop. Returns `None` if the value or the hop was taken.
    pub fn work<R>(self: Pin<&mut Self>, f: impl FnOnce(Pin<&mut T>) -> R) -> Option<R> {
        let this = self.project();
        let (value, hop) = (this.value.as_pin_mut()?, this.hop.as_ref()?);
        Some(hop.run(|| f(value)))
    }

    /// Polls a future in the scope of the hop. Returns its output with the hop. A future that has returned stays
    /// pending.
    pub fn poll_output(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<(T::Output, ServerHop)>
    where
        T: Future,
    {
        let polled = self.as_mut().work(|future| future.poll(cx));
        let output = ready!(polled.unwrap_or(Poll::Pending));
        self.take_hop().map_or(Poll::Pending, |hop| Poll::Ready((output, hop)))
    }

    /// Polls a body in the scope of the hop. The recordings end with the body or with its error, once the body is
    /// dropped: what it holds, such as a span of another middleware, belongs to the request. A body that was taken or
    /// dropped has ended.
    pub fn poll_body<C, E>(
        mut self: Pin<&mut Self>,
        poll: impl FnOnce(Pin<&mut T>) -> Poll<Option<Result<C, E>>>,
    ) -> Poll<Option<Result<C, E>>> {
        let polled = self.as_mut().work(poll).unwrap_or(Poll::Ready(None));
        let end: fn(&ServerHop) = match &polled {
            Poll::Ready(None) => ServerHop::finish,
            Poll::Ready(Some(Err(_))) => |hop| hop.fail("body"),
            _ => return polled,
        };
        self.as_mut().drop_value();
        self.hop().inspect(|hop| end(hop));
        polled
    }

    /// Drops the value in the scope of the hop, and takes the hop.
    pub fn take_hop(mut self: Pin<&mut Self>) -> Option<ServerHop> {
        self.as_mut().drop_value();
        self.project().hop.take()
    }

    /// Takes the value, for a conversion that may fail: [`put_back`](Self::put_back) undoes it.
    pub fn take_value(&mut self) -> Option<T> {
        self.value.take()
    }

    /// Puts a value back that was taken.
    pub fn put_back(&mut self, value: T) {
        self.value = Some(value);
    }

    fn drop_value(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.value.is_some()
            && let Some(hop) = this.hop
        {
            hop.run(|| this.value.set(None));
        }
    }
}
