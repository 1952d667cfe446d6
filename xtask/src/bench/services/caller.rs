//! A service that calls another, under load.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::bench::cores;
use crate::bench::request_headers;
use crate::bench::wrk::Answered;
use crate::interrupt;
use crate::service::Service;

/// What a service did in a turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    /// The time of the service's own threads, in user mode and in the system.
    pub(crate) processor_microseconds_per_request: f64,
}

/// A service that calls another.
pub(crate) struct Caller {
    service: Service,
    headers: Vec<(String, String)>,
}

impl Caller {
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let headers = request_headers(program)?;
        let mut command = cores::on(cores::MEASURED, program);
        command.args(arguments);
        let service = Service::start("caller", command)?;
        Ok(Self { service, headers })
    }

    pub(crate) fn answer(&mut self, duration: Duration) -> Result<Answered> {
        interrupt::check()?;
        let url = format!("{}/items/7", self.service.url());
        let answered = Answered::under_load(&url, &self.headers, duration);
        self.service.process().ensure_running()?;
        answered
    }

    pub(crate) fn turn(&mut self, duration: Duration) -> Result<Turn> {
        let before = self.processor_time()?;
        let answered = self.answer(duration)?;
        let time = self.processor_time()? - before;
        Ok(Turn {
            requests: answered.requests,
            requests_per_second: answered.per_second,
            processor_microseconds_per_request: time * 1e6 / answered.requests as f64,
        })
    }

    /// Returns the processor time of all threads, in seconds.
    fn processor_time(&mut self) -> Result<f64> {
        let threads = format!("/proc/{}/task", self.service.process().id());
        let mut nanoseconds = 0;
        for thread in fs::read_dir(&threads).with_context(|| format!("cannot read {threads}"))? {
            let file = thread?.path().join("schedstat");
            let text = fs::read_to_string(&file);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            nanoseconds += time_on_processor(&text)
                .with_context(|| format!("cannot read a time in {}", file.display()))?;
        }
        Ok(nanoseconds as f64 / 1e9)
    }

    pub(crate) fn resident_bytes(&mut self) -> Result<u64> {
        let status = self.read_system_file("status")?;
        resident_bytes(&status).context("cannot read the memory of a service")
    }

    fn read_system_file(&mut self, name: &str) -> Result<String> {
        if !cfg!(target_os = "linux") {
            bail!("the memory of services is measured on Linux only");
        }
        let file = format!("/proc/{}/{name}", self.service.process().id());
        fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))
    }
}

/// Reads the time of a thread in user mode and in the system, in nanoseconds, from Linux's file `schedstat`.
fn time_on_processor(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_figures_of_linux_are_read() {
        assert_eq!(time_on_processor("1234567890 42 7\n"), Some(1_234_567_890));
        assert_eq!(time_on_processor(""), None);
        assert_eq!(resident_bytes("Name:\ta\nVmRSS:\t    7968 kB\n"), Some(8_159_232));
        assert_eq!(resident_bytes("Name:\ta\n"), None);
    }
}
