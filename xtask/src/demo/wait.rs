//! Waits for the trace to be whole.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::ProgressBar;

use super::storefront::Storefront;
use super::tree;
use crate::interrupt;
use crate::process::Process;

/// From the start of the page load on. A Chromium that starts for the first time takes seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until the trace that `find` finds is whole. Returns its id, or an error that says what
/// is missing. Meanwhile all `processes` must run.
pub(crate) fn until_whole(
    storefront: &Storefront,
    find: impl Fn() -> Result<Option<String>>,
    processes: &mut [&mut Process],
) -> Result<String> {
    let spinner = Spinner::start();
    let start = Instant::now();
    loop {
        // First: that a service is gone says more than that it does not answer.
        for process in &mut *processes {
            process.ensure_running()?;
        }
        let found = look(storefront, &find)?;
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
    NotWhole { trace_id: String, hops: usize, faults: Vec<String> },
    Whole(String),
}

fn look(storefront: &Storefront, find: impl Fn() -> Result<Option<String>>) -> Result<Look> {
    let Some(trace_id) = find()? else {
        return Ok(Look::NoTrace);
    };
    let hops = storefront.hops(&trace_id)?;
    let faults = tree::faults(&trace_id, &hops);
    if faults.is_empty() {
        return Ok(Look::Whole(trace_id));
    }
    Ok(Look::NotWhole { trace_id, hops: hops.len(), faults })
}

impl Look {
    fn message(&self) -> String {
        let seconds = TIMEOUT.as_secs();
        match self {
            Self::NoTrace => format!("no trace was recorded within {seconds} s"),
            Self::NotWhole { trace_id, faults, .. } => {
                let faults = faults.join("\n  - ");
                format!("trace {trace_id} is not whole after {seconds} s:\n  - {faults}")
            }
            Self::Whole(trace_id) => format!("trace {trace_id} is whole"),
        }
    }
}

/// Shows on a terminal that something goes on; elsewhere one line does.
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
        let hops = match found {
            Look::NotWhole { hops, .. } => *hops,
            Look::NoTrace | Look::Whole(_) => 0,
        };
        self.0.set_message(format!("waiting for the trace to be whole, hops so far: {hops}"));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::test_server::{TestServer, json_reply};

    fn hop(service: &str, span_id: &str, parent: &str) -> String {
        format!(
            r#"{{"service":"{service}","name":"","trace_id":"0","span_id":"{span_id}",
                "parent_span_id":{parent},"dsc":"a=b","continued":true,
                "start_ms":0,"duration_ms":0}}"#
        )
    }

    /// Every look finds one hop more.
    fn growing_trace() -> TestServer {
        let hops = [
            hop("storefront", "a", "null"),
            hop("inventory", "b", "\"a\""),
            hop("browser", "c", "\"a\""),
            hop("inventory", "d", "\"c\""),
        ];
        let looks = std::cell::Cell::new(0);
        TestServer::start(move |_| {
            looks.set(hops.len().min(looks.get() + 1));
            let recorded = hops.iter().take(looks.get()).cloned().collect::<Vec<_>>();
            json_reply(&format!(r#"{{"trace_id":"0","hops":[{}]}}"#, recorded.join(",")))
        })
    }

    #[test]
    fn looks_until_the_trace_is_whole() {
        let server = growing_trace();
        let storefront = Storefront::new(server.url());
        let trace_id = until_whole(&storefront, || Ok(Some("0".to_owned())), &mut []);
        assert_eq!(trace_id.unwrap(), "0");
        let urls: Vec<_> = server.requests().into_iter().map(|seen| seen.url).collect();
        assert_eq!(urls, ["/traces/0/json"; 4]);
    }

    #[test]
    fn the_message_lists_what_is_missing() {
        let server = growing_trace();
        let storefront = Storefront::new(server.url());
        for _ in 0..2 {
            look(&storefront, || Ok(Some("0".to_owned()))).unwrap();
        }
        let found = look(&storefront, || Ok(Some("0".to_owned()))).unwrap();
        assert_eq!(
            found.message(),
            "trace 0 is not whole after 20 s:\n  \
             - there is no inventory hop below the browser's hop"
        );
        assert_eq!(
            look(&storefront, || Ok(None)).unwrap().message(),
            "no trace was recorded within 20 s"
        );
    }
}
