//! The context of the running task.
//!
//! A task local, which the actix middleware sets around a handler. Whatever the handler awaits finds it;
//! what the handler spawns must be told, as with `tracing`'s spans.
//!
//! ```
//! use tracehop::{InTrace as _, PropagationContext, Propagator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let context = Propagator::builder().build()?.start_new_trace();
//! let trace_id = context.trace_id();
//!
//! async {
//!     let here = PropagationContext::current().map(|context| context.trace_id());
//!     assert_eq!(here, Some(trace_id));
//!
//!     let job = tokio::spawn(async { PropagationContext::current() }.in_current_trace());
//!     assert_eq!(job.await?.map(|context| context.trace_id()), Some(trace_id));
//!     Ok::<_, tokio::task::JoinError>(())
//! }
//! .in_trace(context)
//! .await?;
//!
//! assert!(PropagationContext::current().is_none());
//! # Ok(())
//! # }
//! ```

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;

use crate::context::PropagationContext;

tokio::task_local! {
    static CURRENT: Option<PropagationContext>;
}

impl PropagationContext {
    /// The context that the running task or closure is in.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }

    /// Calls a function in this context, which is [`current`](Self::current) until it returns. For code
    /// that does not await, such as a thread's.
    ///
    /// ```
    /// # use tracehop::{PropagationContext, Propagator};
    /// let context = Propagator::builder().build()?.start_new_trace();
    /// std::thread::spawn(move || {
    ///     context.in_scope(|| assert!(PropagationContext::current().is_some()));
    /// });
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(Some(self.clone()), f)
    }
}

/// Calls a function in no context.
pub(crate) fn outside_of_any<R>(f: impl FnOnce() -> R) -> R {
    CURRENT.sync_scope(None, f)
}

/// Puts futures into a trace.
///
/// ```
/// use tracehop::{InTrace as _, PropagationContext, Propagator};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tracehop::BuildError> {
/// let context = Propagator::builder().build()?.start_new_trace();
/// let found = async { PropagationContext::current() }.in_trace(context.clone()).await;
/// assert_eq!(found.map(|found| found.trace_id()), Some(context.trace_id()));
/// # Ok(())
/// # }
/// ```
///
/// For what is spawned see the [module's documentation](crate::current).
pub trait InTrace: Future + Sized {
    /// Makes a context the [current](PropagationContext::current) one of this future and all that it
    /// awaits, whenever it runs, and when it is dropped.
    fn in_trace(self, context: PropagationContext) -> Traced<Self> {
        Traced { inner: CURRENT.scope(Some(context), self) }
    }

    /// Makes the context that is current now that of this future: for what is spawned.
    fn in_current_trace(self) -> Traced<Self> {
        Traced { inner: CURRENT.scope(PropagationContext::current(), self) }
    }
}

impl<F: Future> InTrace for F {}

pin_project! {
    /// The future of [`InTrace`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you await or poll them"]
    pub struct Traced<F> {
        #[pin]
        inner: TaskLocalFuture<Option<PropagationContext>, F>,
    }
}

impl<F> Traced<F> {
    /// Takes the context out of a future that is done, for what comes after it; `None` if it was taken before. The
    /// future is in none from then on.
    pub fn take_context(self: Pin<&mut Self>) -> Option<PropagationContext> {
        self.project().inner.take_value().flatten()
    }
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::task::yield_now;

    use super::*;
    use crate::id::TraceId;
    use crate::propagator::Propagator;

    fn context() -> PropagationContext {
        Propagator::builder().build().unwrap().start_new_trace()
    }

    fn current() -> Option<TraceId> {
        PropagationContext::current().map(|context| context.trace_id())
    }

    #[tokio::test]
    async fn tasks_that_take_turns_see_each_its_own_context() {
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let context = context();
                let id = context.trace_id();
                let task = async move {
                    for _ in 0..10 {
                        assert_eq!(current(), Some(id));
                        yield_now().await;
                    }
                };
                tokio::spawn(task.in_trace(context))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn what_is_spawned_has_the_context_only_if_told() {
        let context = context();
        let id = context.trace_id();
        async move {
            assert_eq!(tokio::spawn(async { current() }).await.unwrap(), None);
            let told = tokio::spawn(async { current() }.in_current_trace());
            assert_eq!(told.await.unwrap(), Some(id));
        }
        .in_trace(context)
        .await;
        let outside = tokio::spawn(async { current() }.in_current_trace());
        assert_eq!(outside.await.unwrap(), None);
    }

    #[tokio::test]
    async fn inner_contexts_hide_outer_ones_and_give_them_back() {
        let (outer, inner) = (context(), context());
        let (outer_id, inner_id) = (outer.trace_id(), inner.trace_id());
        async move {
            async { assert_eq!(current(), Some(inner_id)) }.in_trace(inner.clone()).await;
            assert_eq!(current(), Some(outer_id));
            inner.in_scope(|| assert_eq!(current(), Some(inner_id)));
            assert_eq!(current(), Some(outer_id));
        }
        .in_trace(outer)
        .await;
    }

    #[test]
    fn a_sampler_is_in_no_trace_so_that_it_cannot_wait_for_itself() {
        let propagator = Propagator::builder()
            .traces_sampler(|_| {
                let decision = PropagationContext::current().and_then(|context| context.sampled());
                assert_eq!(decision, None);
                1.0
            })
            .build()
            .unwrap();
        let context = propagator.start_new_trace();
        assert_eq!(context.in_scope(|| context.sampled()), Some(true));
    }

    #[tokio::test]
    async fn a_future_that_is_done_gives_its_context_back_once() {
        let context = context();
        let id = context.trace_id();
        let mut future = Box::pin(async { current() }.in_trace(context));
        assert_eq!(future.as_mut().await, Some(id));
        let taken = future.as_mut().take_context();
        assert_eq!(taken.map(|context| context.trace_id()), Some(id));
        assert!(future.as_mut().take_context().is_none());
    }

    #[tokio::test]
    async fn the_context_is_gone_after_a_panic() {
        let context = context();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            context.in_scope(|| panic!("on purpose"));
        }));
        assert!(panic.is_err());
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn a_future_that_is_cancelled_is_dropped_in_its_context() {
        struct SeesAtDrop(std::sync::mpsc::Sender<Option<TraceId>>);

        impl Drop for SeesAtDrop {
            fn drop(&mut self) {
                let _ = self.0.send(current());
            }
        }

        let (sender, receiver) = std::sync::mpsc::channel();
        let context = context();
        let id = context.trace_id();
        let mut future = Box::pin(
            async move {
                let _guard = SeesAtDrop(sender);
                std::future::pending::<()>().await;
            }
            .in_trace(context),
        );
        poll_fn(|cx| {
            assert!(future.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(future);
        assert_eq!(receiver.recv(), Ok(Some(id)));
        assert_eq!(current(), None);
    }
}
