//! Load on a service, by wrk over connections that stay open.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::cores;

/// Enough to keep a service of one thread busy.
const CONNECTIONS: u32 = 32;

/// What a service did under load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answered {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
}

impl Answered {
    /// Requests a URL over and over again. A status other than 2xx and 3xx is an error.
    pub(crate) fn under_load(
        url: &str,
        headers: &[(String, String)],
        duration: Duration,
    ) -> Result<Self> {
        let mut wrk = cores::on(cores::REST, "wrk");
        wrk.args(["--threads", "1", "--connections", &CONNECTIONS.to_string()]);
        wrk.args(["--duration", &format!("{}s", duration.as_secs())]);
        for (name, value) in headers {
            wrk.args(["--header", &format!("{name}: {value}")]);
        }
        let output = wrk.arg(url).stdin(Stdio::null()).output().context("cannot start wrk")?;
        let report = String::from_utf8_lossy(&output.stdout);
        let answered = Self::read(&report).filter(|_| output.status.success());
        match answered {
            Some(answered) => Ok(answered),
            None => bail!(
                "not every request was answered with success:\n{report}{}",
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    }

    /// `None` if requests failed, or nothing was measured.
    fn read(report: &str) -> Option<Self> {
        if report.contains("Socket errors:") || report.contains("Non-2xx") {
            return None;
        }
        let lines = || report.lines().map(str::trim);
        let requests = lines().find_map(|line| line.split_once(" requests in "))?.0;
        let per_second = lines().find_map(|line| line.strip_prefix("Requests/sec:"))?;
        let answered =
            Self { requests: requests.parse().ok()?, per_second: per_second.trim().parse().ok()? };
        (answered.requests != 0).then_some(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_unless_a_request_failed() {
        let report = |errors: &str, requests: u32| {
            format!(
                "Running 1s test @ http://127.0.0.1:1/\n  1 threads and 2 connections\n\
                 \x20 Thread Stats   Avg      Stdev     Max   +/- Stdev\n\
                 \x20 {requests} requests in 1.00s, 1.23MB read\n{errors}\
                 Requests/sec:  12345.67\nTransfer/sec:      1.23MB\n"
            )
        };
        let answered = Answered { requests: 12346, per_second: 12345.67 };
        let timeouts = "  Socket errors: connect 0, read 0, write 0, timeout 3\n";
        let table = [
            (report("", 12346), Some(answered)),
            (report("  Non-2xx or 3xx responses: 1\n", 12346), None),
            (report(timeouts, 12346), None),
            (report("", 0), None),
            ("unable to connect to 127.0.0.1:1 Connection refused\n".to_owned(), None),
        ];
        for (report, expected) in table {
            assert_eq!(Answered::read(&report), expected, "{report}");
        }
    }
}
