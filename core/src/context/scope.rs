//! The environment of a recorder that a context carries.

use std::any::Any;
use std::sync::Arc;

use crate::carrier::ReceivedHeaders;

/// The environment of a recorder in which the work of a context runs, such as the hub of Sentry's SDK.
///
/// A [`Recorder`](crate::recorder::Recorder) puts it into a context by
/// [`with_scope`](crate::PropagationContext::with_scope). [`in_scope`](crate::PropagationContext::in_scope) and the
/// futures of [`InTrace`](crate::InTrace) enter it.
pub trait RecorderScope: Any + Send + Sync {
    /// Calls `work` once inside of the environment. A panic of `work` must pass through.
    fn enter(&self, work: &mut dyn FnMut());
}

/// The recordings of the request that a trace belongs to, as the trace knows them.
pub(crate) trait RequestRecordings: Send + Sync {
    /// Notes the route, once routing and guards have decided.
    fn set_route(&self, method: &str, pattern: &str);

    /// Returns the trace headers as received, if this service's position replaced them in the request.
    fn received(&self) -> Option<Arc<ReceivedHeaders>>;
}

/// Calls `work` inside of an environment, and returns its result.
///
/// # Panics
///
/// If `work` panics, also where `enter` catches that panic: there is no result to return.
#[expect(clippy::expect_used, reason = "only a panic of the work leaves it without a result")]
pub(crate) fn call_within<R>(enter: impl FnOnce(&mut dyn FnMut()), work: impl FnOnce() -> R) -> R {
    let mut work = Some(work);
    let mut result = None;
    let mut call = || {
        if let Some(work) = work.take() {
            result = Some(work());
        }
    };
    enter(&mut call);
    // A recorder that did not call the work must not keep the application from it.
    call();
    result.expect(
        "a recorder caught a panic of the work that it called: it must let the panic through",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_called_once_whatever_the_recorder_does() {
        for calls in 0..3 {
            let mut called = 0;
            let enter = |work: &mut dyn FnMut()| (0..calls).for_each(|_| work());
            let result = call_within(enter, || {
                called += 1;
                7
            });
            assert_eq!((result, called), (7, 1));
        }
    }
}
