//! The current context: that of the running task or closure.
//!
//! The middleware of an adapter sets it around a handler. All that the handler awaits finds it. What the handler
//! spawns must be put into the trace, as with `tracing`'s spans:
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

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{PropagationContext, call_within};

thread_local! {
    /// The context of the task or closure that runs on this thread.
    static CURRENT: RefCell<Option<PropagationContext>> = const { RefCell::new(None) };
}

/// Puts back the context that was current before.
struct Restore(Option<PropagationContext>);

impl Restore {
    /// Makes a context the current one until the value is dropped.
    fn after(mut context: Option<PropagationContext>) -> Self {
        swap_current(&mut context);
        Self(context)
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        swap_current(&mut self.0);
    }
}

fn swap_current(context: &mut Option<PropagationContext>) {
    // A thread that is ending has no current context any more.
    let _ = CURRENT.try_with(|current| std::mem::swap(&mut *current.borrow_mut(), context));
}

impl PropagationContext {
    /// Returns the context that the running task or closure is in.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Calls a function in this context, which is [`current`](Self::current) until the function returns. For code
    /// that does not await, such as a thread's.
    ///
    /// If the context carries the [environment of a recorder](crate::recorder), such as a hub of Sentry's SDK, the
    /// function is called in that as well.
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
        match self.scope() {
            Some(scope) => call_within(|work| scope.enter(work), || self.as_current(f)),
            None => self.as_current(f),
        }
    }

    /// Calls a function with this context as the current one, without entering the recorder's environment.
    pub(crate) fn as_current<R>(&self, f: impl FnOnce() -> R) -> R {
        let _restore = Restore::after(Some(self.clone()));
        f()
    }
}

/// Calls a function without a current context.
pub(crate) fn outside_of_any<R>(f: impl FnOnce() -> R) -> R {
    let _restore = Restore::after(None);
    f()
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
///
/// // A task that is spawned takes the current trace along.
/// async {
///     tokio::spawn(async { assert!(PropagationContext::current().is_some()) }.in_current_trace())
/// }
/// .in_trace(context)
/// .await;
/// # Ok(())
/// # }
/// ```
pub trait InTrace: Future + Sized {
    /// Makes a context the [current](PropagationContext::current) one of this future and of all that it
    /// awaits, whenever it is polled, and when it is dropped.
    fn in_trace(self, context: PropagationContext) -> Traced<Self> {
        Traced { inner: Some(self), context: Some(context) }
    }

    /// Makes the context that is current now the one of this future, for tasks that are spawned.
    fn in_current_trace(self) -> Traced<Self> {
        Traced { inner: Some(self), context: PropagationContext::current() }
    }
}

impl<F: Future> InTrace for F {}

pin_project! {
    /// A future in a trace, made by [`InTrace`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you await or poll them"]
    pub struct Traced<F> {
        // `None` only while it is dropped.
        #[pin]
        inner: Option<F>,
        context: Option<PropagationContext>,
    }

    impl<F> PinnedDrop for Traced<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            within(this.context, || this.inner.set(None));
        }
    }
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => within(this.context, || inner.poll(cx)),
            None => Poll::Pending,
        }
    }
}

fn within<R>(context: &Option<PropagationContext>, f: impl FnOnce() -> R) -> R {
    match context {
        Some(context) => context.in_scope(f),
        None => outside_of_any(f),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::task::yield_now;

    use super::*;
    use crate::propagator::Propagator;
    use crate::wire::TraceId;

    fn context() -> PropagationContext {
        Propagator::builder().build().unwrap().start_new_trace()
    }

    fn current() -> Option<TraceId> {
        PropagationContext::current().map(|context| context.trace_id())
    }

    #[tokio::test]
    async fn tasks_that_take_turns_keep_their_contexts() {
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
    async fn spawned_tasks_need_in_current_trace() {
        let context = context();
        let id = context.trace_id();
        async move {
            assert_eq!(tokio::spawn(async { current() }).await.unwrap(), None);
            let spawned = tokio::spawn(async { current() }.in_current_trace());
            assert_eq!(spawned.await.unwrap(), Some(id));
        }
        .in_trace(context)
        .await;
        let outside = tokio::spawn(async { current() }.in_current_trace());
        assert_eq!(outside.await.unwrap(), None);
    }

    #[tokio::test]
    async fn inner_contexts_hide_outer_ones() {
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
    fn samplers_run_outside_of_any_trace() {
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
    async fn panics_end_the_scope() {
        let context = context();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            context.in_scope(|| panic!("on purpose"));
        }));
        assert!(panic.is_err());
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn cancelled_futures_are_dropped_in_their_context() {
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

    #[tokio::test]
    async fn every_way_into_a_context_enters_its_scope() {
        use std::cell::Cell;
        use std::sync::Arc;

        use crate::context::RecorderScope;

        thread_local! {
            static DEPTH: Cell<usize> = const { Cell::new(0) };
        }

        struct Deeper;

        impl RecorderScope for Deeper {
            fn enter(&self, work: &mut dyn FnMut()) {
                // The scope is around the context.
                assert!(PropagationContext::current().is_none());
                DEPTH.with(|depth| depth.set(depth.get() + 1));
                work();
                DEPTH.with(|depth| depth.set(depth.get() - 1));
            }
        }

        let context = context().with_scope(Arc::new(Deeper));
        let depth = || DEPTH.with(Cell::get);
        assert_eq!(context.in_scope(depth), 1);
        assert_eq!(context.child().in_scope(depth), 1);
        assert_eq!(async { depth() }.in_trace(context.clone()).await, 1);
        let spawned = context.in_scope(|| tokio::spawn(async move { depth() }.in_current_trace()));
        assert_eq!(spawned.await.unwrap(), 1);
        assert_eq!(depth(), 0);
    }
}
