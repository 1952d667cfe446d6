//! What a client logs.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Dispatch, Level};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, format::FmtSpan};
use tracing_subscriber::layer::SubscriberExt as _;

/// The log of the crates under test and of these tests in one thread, as JSON, with a line for each span that ends.
pub(crate) struct Log {
    written: Written,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn of_this_thread() -> Self {
        // With a single subscriber in the process, `tracing` decides about an event by the default of the thread that
        // reaches the event first. In another test's thread, which has none, the event would be off for all threads.
        static SECOND: LazyLock<Dispatch> =
            LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
        LazyLock::force(&SECOND);
        let written = Written::default();
        let writer = written.clone();
        let format = fmt::layer().json().with_span_events(FmtSpan::CLOSE);
        let ours = Targets::new()
            .with_target("tracehop", Level::TRACE)
            .with_target("over_http", Level::TRACE);
        let subscriber = tracing_subscriber::registry()
            .with(format.with_writer(move || writer.clone()))
            .with(ours);
        Self { written, _guard: set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The spans that ended, as they were then.
    pub(crate) fn ended(&self) -> Vec<Value> {
        let ends = self.lines().into_iter().filter(|line| line["fields"]["message"] == "close");
        ends.map(|mut line| line["span"].take()).collect()
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
