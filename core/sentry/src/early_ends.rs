//! A warning about transactions of the SDK's own middleware, which end before their request does.

use std::sync::atomic::{AtomicBool, Ordering};

use tracehop::recorder;

/// Whether such transactions were sent, and whether the log has the warning. The transport cannot write to the log: the
/// SDK may send what is logged.
#[derive(Default)]
pub(crate) struct EarlyEnds {
    are_noted: AtomicBool,
    are_told: AtomicBool,
}

impl EarlyEnds {
    pub(crate) fn note(&self) {
        self.are_noted.store(true, Ordering::Relaxed);
    }

    /// Warns once, if such a transaction was noted.
    pub(crate) fn warn(&self) {
        if self.are_noted.load(Ordering::Relaxed) && !self.are_told.swap(true, Ordering::Relaxed) {
            recorder::warn(
                "sentry-actix or sentry-tower starts transactions, which end with the head of the response and are \
                 dropped in a panic: spans in streamed bodies and of panicking handlers are not sent. Remove that \
                 middleware, or have it start no transactions: tracehop starts one for each request",
            );
        }
    }
}
