//! Services of this machine as child processes.

use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ureq::Agent;

use crate::interrupt;
use crate::process::Process;
use crate::tail::for_each_line;

/// Generous: a service is ready at once unless the machine is very busy.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// The services are on this machine and have little to do.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP client for services on this machine.
pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(REQUEST_TIMEOUT))
        // A proxy from the environment would not reach this machine's loopback addresses.
        .proxy(None)
        .build();
    config.into()
}

/// A service that listens.
#[derive(Debug)]
pub(crate) struct Service {
    process: Process,
    url: String,
}

impl Service {
    /// Starts `command` on a free port of the loopback address and waits until it says that it is ready.
    pub(crate) fn start(name: &str, command: Command) -> Result<Self> {
        Self::start_on(name, command, None)
    }

    /// Starts a service on this port, or on a free one if it is `None`.
    pub(crate) fn start_on(name: &str, mut command: Command, port: Option<u16>) -> Result<Self> {
        command.args(["--listen", &format!("127.0.0.1:{}", port.unwrap_or(0))]);
        Self::spawn(name, &mut command, READY_TIMEOUT)
    }

    fn spawn(name: &str, command: &mut Command, timeout: Duration) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(name, command)?;
        let stdout = process.take_stdout()?;
        let (sender, ready) = mpsc::channel();
        let ready_name = name.to_owned();
        thread::spawn(move || {
            // Reads to the end of the stream, so that the service never blocks on a full pipe.
            for_each_line(stdout, |line| {
                if let Some(url) = ready_url(&ready_name, &line) {
                    // The receiver is dropped after the first URL.
                    let _ = sender.send(url.to_owned());
                }
            });
        });
        let url = wait_until_ready(name, &mut process, &ready, timeout)?;
        Ok(Self { process, url })
    }

    /// Its origin, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn wait_until_ready(
    name: &str,
    process: &mut Process,
    ready: &Receiver<String>,
    timeout: Duration,
) -> Result<String> {
    let start = Instant::now();
    loop {
        match ready.recv_timeout(interrupt::POLL_INTERVAL) {
            Ok(url) => return Ok(url),
            // The service has closed its stdout. If it is about to end, its exit status says more than a timeout.
            Err(RecvTimeoutError::Disconnected) => interrupt::pause()?,
            Err(RecvTimeoutError::Timeout) => interrupt::check()?,
        }
        process.ensure_running()?;
        if start.elapsed() > timeout {
            bail!("{name} was not ready after {} s{}", timeout.as_secs_f32(), process.stderr());
        }
    }
}

/// The URL in the line that a service prints when it is ready.
fn ready_url<'a>(name: &str, line: &'a str) -> Option<&'a str> {
    let url = line.strip_prefix(name)?.strip_prefix(" listening on ")?;
    let url = url.trim().trim_end_matches('/');
    let is_one_word = !url.contains(char::is_whitespace);
    (url.starts_with("http://") && is_one_word).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_lines_are_recognized() {
        let table = [
            ("inventory listening on http://127.0.0.1:4000", Some("http://127.0.0.1:4000")),
            ("inventory listening on http://127.0.0.1:4000/\r", Some("http://127.0.0.1:4000")),
            ("inventory listening on http://[::1]:4000", Some("http://[::1]:4000")),
            ("storefront listening on http://127.0.0.1:4000", None),
            ("inventory listening on 127.0.0.1:4000", None),
            ("inventory listening on http://", None),
            ("inventory listening on http://127.0.0.1:4000 soon", None),
            ("starting inventory", None),
            ("", None),
        ];
        for (line, expected) in table {
            assert_eq!(ready_url("inventory", line), expected, "{line:?}");
        }
    }

    #[cfg(unix)]
    mod processes {
        use super::*;

        fn spawn(script: &str, timeout: Duration) -> Result<Service> {
            Service::spawn("shop", Command::new("sh").args(["-c", script]), timeout)
        }

        #[test]
        fn ready_lines_have_the_services_url() {
            let script = "echo warming up; echo shop listening on http://127.0.0.1:1; exec tail -f /dev/null";
            let mut service = spawn(script, READY_TIMEOUT).unwrap();
            assert_eq!(service.url(), "http://127.0.0.1:1");
            service.process().ensure_running().unwrap();
        }

        #[test]
        fn output_after_the_ready_line_never_blocks() {
            // More than a pipe holds.
            let script = "echo shop listening on http://127.0.0.1:1
                head -c 1000000 /dev/zero && head -c 1000000 /dev/zero >&2 && exit 7";
            let mut service = spawn(script, READY_TIMEOUT).unwrap();
            let end = loop {
                if let Err(end) = service.process().ensure_running() {
                    break end.to_string();
                }
                thread::yield_now();
            };
            // Not SIGPIPE, the signal for a pipe without a reader.
            assert!(end.starts_with("shop ended early (exit status: 7)"));
        }

        #[test]
        fn an_early_end_is_reported_with_stderr() {
            let error = spawn("echo address in use >&2; exit 3", READY_TIMEOUT).unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with("shop ended early"), "{message}");
            assert!(message.ends_with("address in use"), "{message}");
        }

        #[test]
        fn late_services_are_reported_with_stderr() {
            for close_stdout in ["", "exec >&-;"] {
                let script = format!("{close_stdout} echo no database >&2; exec sleep 100000");
                let error = spawn(&script, Duration::from_secs(2)).unwrap_err();
                let message = error.to_string();
                assert!(message.starts_with("shop was not ready after 2 s"), "{message}");
                assert!(message.ends_with("no database"), "{message}");
            }
        }
    }
}
