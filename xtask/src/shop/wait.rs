//! Waits for the trace to be whole.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::ProgressBar;

use super::tree;
use crate::collector::Collector;
use crate::interrupt;
use crate::process::Process;

/// The time from the start of the page load. A Chromium that starts for the first time takes seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until the trace that `find` finds is whole. Returns its id, or an error that says what
/// is missing. Meanwhile all `processes` must run.
pub(crate) fn until_whole(
    collector: &Collector,
    find: impl Fn() -> Result<Option<String>>,
    processes: &mut [&mut Process],
) -> Result<String> {
    let spinner = Spinner::start();
    let start = Instant::now();
    loop {
        // First, because the end of a service says more than the error of a request to it.
        for process in &mut *processes {
            process.ensure_running()?;
        }
        let found = look(collector, &find)?;
        if let Look::Whole(trace_id) = found {
            return Ok(trace_id);
        }
        if start.elapsed() > TIMEOUT {
            let stderr: String = processes.iter().map(|process| process.stderr()).collect();
            bail!("{}{stderr}", found.message());
        }
        spinner.show(&found);
        interrupt::pause()?;
    }
}

enum Look {
    NoTrace,
    NotWhole { trace_id: String, spans: usize, faults: Vec<String> },
    Whole(String),
}

fn look(collector: &Collector, find: impl Fn() -> Result<Option<String>>) -> Result<Look> {
    let Some(trace_id) = find()? else {
        return Ok(Look::NoTrace);
    };
    let trace = collector.trace(&trace_id)?;
    let faults = tree::faults(&trace_id, &trace);
    if faults.is_empty() {
        return Ok(Look::Whole(trace_id));
    }
    Ok(Look::NotWhole { trace_id, spans: trace.spans.len(), faults })
}

impl Look {
    fn message(&self) -> String {
        let seconds = TIMEOUT.as_secs();
        match self {
            Self::NoTrace => format!("no trace arrived within {seconds} s"),
            Self::NotWhole { trace_id, faults, .. } => {
                let faults = faults.join("\n  - ");
                format!("trace {trace_id} is not whole after {seconds} s:\n  - {faults}")
            }
            Self::Whole(trace_id) => format!("trace {trace_id} is whole"),
        }
    }
}

/// Shows the progress on a terminal. Elsewhere, prints one line.
struct Spinner(ProgressBar);

impl Spinner {
    fn start() -> Self {
        let bar = ProgressBar::new_spinner();
        if bar.is_hidden() {
            eprintln!("waiting for the trace to be whole");
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    fn show(&self, found: &Look) {
        let spans = match found {
            Look::NotWhole { spans, .. } => *spans,
            Look::NoTrace | Look::Whole(_) => 0,
        };
        self.0.set_message(format!("waiting for the trace to be whole, spans so far: {spans}"));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_server::{TestServer, json_reply};

    fn span(service: &str, op: &str, span_id: &str, parent: Value) -> Value {
        json!({
            "service": service, "op": op, "name": null, "trace_id": "0", "span_id": span_id,
            "parent_span_id": parent, "is_segment": true, "dsc": { "a": "b" },
        })
    }

    /// Every look finds one span more.
    fn growing_trace() -> TestServer {
        let spans = [
            span("storefront", "http.server", "a", Value::Null),
            span("storefront", "http.client", "b", json!("a")),
            span("inventory", "http.server", "c", json!("b")),
            span("browser", "pageload", "d", json!("a")),
            span("browser", "http.client", "e", json!("d")),
            span("inventory", "http.server", "f", json!("e")),
        ];
        let event =
            json!({ "service": "inventory", "span_id": "c", "title": "", "dsc": { "a": "b" } });
        let looks = std::cell::Cell::new(0);
        TestServer::start(move |_| {
            looks.set(spans.len().min(looks.get() + 1));
            let sent = &spans[..looks.get()];
            json_reply(&json!({ "trace_id": "0", "spans": sent, "events": [event] }).to_string())
        })
    }

    #[test]
    fn waiting_ends_when_the_trace_is_whole() {
        let server = growing_trace();
        let collector = Collector::new(server.url());
        let trace_id = until_whole(&collector, || Ok(Some("0".to_owned())), &mut []);
        assert_eq!(trace_id.unwrap(), "0");
        let urls: Vec<_> = server.requests().into_iter().map(|seen| seen.url).collect();
        assert_eq!(urls, ["/traces/0/json"; 6]);
    }

    #[test]
    fn the_message_lists_what_is_missing() {
        let server = growing_trace();
        let collector = Collector::new(server.url());
        for _ in 0..4 {
            look(&collector, || Ok(Some("0".to_owned()))).unwrap();
        }
        let found = look(&collector, || Ok(Some("0".to_owned()))).unwrap();
        assert_eq!(
            found.message(),
            "trace 0 is not whole after 20 s:\n  \
             - there is no http.server span of inventory below the browser's call"
        );
        assert_eq!(
            look(&collector, || Ok(None)).unwrap().message(),
            "no trace arrived within 20 s"
        );
    }
}
