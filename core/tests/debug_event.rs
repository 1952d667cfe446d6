//! The one debug event that says why a trace was not continued.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![cfg(feature = "tracing")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracehop::Propagator;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the text of every event.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Subscriber for Events {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);

        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                write!(self.0, " {field}={value:?}").unwrap();
            }
        }

        assert_eq!(*event.metadata().level(), Level::DEBUG);
        let mut text = Text(event.metadata().target().to_owned());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
}

#[test]
fn bad_input_is_said_once_and_no_input_is_not_worth_a_word() {
    let events = Events::default();
    let propagator = Propagator::builder().build().unwrap();
    tracing::subscriber::with_default(events.clone(), || {
        let _ = propagator.continue_trace(&[("sentry-trace", "1")]);
        let _ = propagator.continue_trace(&[("other", "1")]);
        let _ = propagator.start_new_trace();
    });
    assert_eq!(
        *events.0.lock().unwrap(),
        ["tracehop::propagator message=incoming trace not continued \
          reason=a sentry-trace value has 49 or 51 characters, 1 were found"]
    );
}
