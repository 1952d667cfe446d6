//! What a server logs.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;
use tracing::{Dispatch, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, format::FmtSpan};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

/// Keeps everything that is written to it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
        let log = self.clone();
        move || log.clone()
    }

    /// As JSON, with a line for each span that ends.
    pub(crate) fn as_json(&self) -> impl Subscriber + Send + Sync + 'static {
        let format = fmt::layer().json().with_span_events(FmtSpan::CLOSE);
        registry().with(format.with_writer(self.writer())).with(ours())
    }

    pub(crate) fn as_text(&self) -> impl Subscriber + Send + Sync + 'static {
        let format = fmt::layer().with_ansi(false).without_time();
        registry().with(format.with_writer(self.writer())).with(ours())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the events of these tests and of the crates under test, and drops those of actix.
fn ours() -> Targets {
    Targets::new().with_target("tracehop", Level::TRACE).with_target("over_http", Level::TRACE)
}

/// Makes a subscriber the default of the calling thread for as long as the thread runs. The servers of these tests have
/// one worker each, which makes its App in a thread of its own.
pub(crate) fn listen(subscriber: impl Subscriber + Send + Sync + 'static) {
    // With a single subscriber in the process, `tracing` decides about an event by the default of the thread that
    // reaches the event first. In another test's thread, which has none, the event would be off for all threads.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(registry()));
    LazyLock::force(&SECOND);
    std::mem::forget(tracing::subscriber::set_default(subscriber));
}
