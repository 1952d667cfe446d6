//! Which position an event was captured at.
//!
//! The SDK hands an event to its transport on the thread that captures it, right after the event processors of the
//! scope. So a processor in the scope of a hub notes the position, and the transport takes the note. The trace id is
//! not enough: two requests of one trace may have different dynamic sampling contexts.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use sentry_core::types::Uuid;

use crate::registry::Entry;

thread_local! {
    /// The event that this thread captures, and its position.
    static CAPTURED: RefCell<Option<(Uuid, Weak<Entry>)>> = const { RefCell::new(None) };

    /// The position of the last request on this thread that returned an error.
    static FAILED: RefCell<Weak<Entry>> = const { RefCell::new(Weak::new()) };
}

/// Notes the position of an event. A scope that is a copy of another's notes its own position last.
pub(crate) fn note(event_id: Uuid, entry: &Arc<Entry>) {
    // A thread that is ending has no notes any more.
    let _ = CAPTURED.try_with(|noted| noted.replace(Some((event_id, Arc::downgrade(entry)))));
}

/// Takes the position of an event, if one was noted.
pub(crate) fn take(event_id: Uuid) -> Option<Arc<Entry>> {
    let (noted, entry) = CAPTURED.try_with(RefCell::take).ok()??;
    (noted == event_id).then(|| entry.upgrade())?
}

/// Notes that a request has returned an error, which a middleware further out may capture once more.
pub(crate) fn note_error(entry: &Arc<Entry>) {
    let _ = FAILED.try_with(|failed| failed.replace(Arc::downgrade(entry)));
}

/// Returns the last request on this thread that returned an error, while it lasts.
pub(crate) fn last_failed() -> Option<Arc<Entry>> {
    FAILED.try_with(|failed| failed.borrow().upgrade()).ok()?
}
