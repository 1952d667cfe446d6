//! Instructions of whole services for each request: with and without traces, and with Sentry's SDK.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};

use super::services::Framework::{self, Actix, Axum};
use super::{collected, list, request_headers};
use crate::interrupt;
use crate::service::{Service, agent};
use crate::workspace::Workspace;

/// The numbers of requests in two runs of a service. The difference of the runs leaves out what a service does once. A
/// run without requests is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runs {
    few: u32,
    many: u32,
}

impl Runs {
    pub(crate) const FULL: Self = Self { few: 500, many: 2_500 };

    /// Enough to see that it runs. The figures mean little.
    pub(crate) const QUICK: Self = Self { few: 0, many: 5 };
}

/// A service, and what it must cost at most beside another.
#[derive(Debug, Clone, Copy)]
struct Row {
    framework: Framework,
    what: &'static str,
    /// The value of the service's option `--traced`.
    traced: &'static str,
    is_sampled: bool,
    mark: Option<Mark>,
}

/// The most instructions that a row may have: its target.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// This many more than the service without traces.
    More(f64),
    /// This share of the instructions of the row with this index.
    Share(f64, usize),
    /// More than the service without traces by this share of the same difference in the row with this index.
    ShareOfMore(f64, usize),
}

const WITHOUT: &str = "no traces";

const ROWS: [Row; 14] = [
    Row::new(Actix, WITHOUT, "not"),
    Row::new(Actix, "both headers by hand", "by-hand"),
    Row::new(Actix, "both middlewares", "fully").mark(Mark::More(13_000.0)),
    Row::new(Actix, "both middlewares", "fully").not_sampled(),
    Row::new(Actix, "sentry-actix with transactions, and a span by hand", "sdk"),
    Row::new(Actix, "both middlewares with the SDK", "recorded").mark(Mark::Share(0.95, 4)),
    Row::new(Actix, "both middlewares with the SDK", "recorded")
        .not_sampled()
        .mark(Mark::Share(1.10, 3)),
    Row::new(Actix, "tracing-actix-web and reqwest-tracing with OpenTelemetry", "opentelemetry"),
    Row::new(Axum, WITHOUT, "not"),
    Row::new(Axum, "both headers by hand", "by-hand"),
    Row::new(Axum, "both layers", "fully").mark(Mark::ShareOfMore(1.5, 2)),
    Row::new(Axum, "axum-tracing-opentelemetry, and traceparent by hand", "opentelemetry"),
    Row::new(Axum, "sentry-tower with transactions, and a span by hand", "sdk"),
    Row::new(Axum, "both layers with the SDK", "recorded"),
];

impl Row {
    const fn new(framework: Framework, what: &'static str, traced: &'static str) -> Self {
        Self { framework, what, traced, is_sampled: true, mark: None }
    }

    const fn not_sampled(mut self) -> Self {
        self.is_sampled = false;
        self
    }

    const fn mark(mut self, mark: Mark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// What is measured, in a few words.
    fn name(&self) -> String {
        let sampled = if self.is_sampled { "" } else { ", not sampled" };
        format!("{}{sampled}", self.what)
    }
}

/// Instructions a request, in the order of [`ROWS`].
#[derive(Debug, Clone)]
pub(crate) struct Requests(Vec<f64>);

impl Requests {
    pub(crate) fn count(workspace: &Workspace, program: &Path, runs: Runs) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("called");
        let called = Service::start("called", command)?;
        let report = workspace.target_directory().join("callgrind.log");
        let count_row = |row| {
            let count = |requests| count(program, row, called.url(), &report, requests);
            let once = if runs.few > 0 { count(runs.few)? } else { 0 };
            let difference = count(runs.many)?.saturating_sub(once);
            Ok(difference as f64 / f64::from(runs.many - runs.few))
        };
        let counted = ROWS.iter().map(|row| {
            eprintln!("counting the instructions of {}, {}", row.framework.name(), row.name());
            count_row(row)
        });
        Ok(Self(counted.collect::<Result<_>>()?))
    }

    /// Returns how many instructions a row has more than the service without traces of its framework.
    fn more(&self, number: usize) -> f64 {
        let framework = ROWS[number].framework;
        let is_without = |row: &Row| row.framework == framework && row.what == WITHOUT;
        let without = ROWS.iter().zip(&self.0).find(|(row, _)| is_without(row));
        self.0[number] - without.map_or(0.0, |(_, counted)| *counted)
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "framework",
            "a service that calls another",
            "instructions a request",
            "more than without",
        ]);
        for (number, row) in ROWS.iter().enumerate() {
            let (counted, more) = (self.0[number], self.more(number));
            let figures = [format!("{counted:.0}"), format!("{more:.0}")];
            table.add_row([row.framework.name().to_owned(), row.name()].into_iter().chain(figures));
        }
        table
    }

    /// Returns a sentence for each row that misses its target.
    fn shortfalls(&self) -> impl Iterator<Item = String> {
        ROWS.iter().enumerate().filter_map(|(number, row)| {
            let (counted, more) = (self.0[number], self.more(number));
            let at_most = match row.mark? {
                Mark::More(at_most) => counted - more + at_most,
                Mark::Share(share, of) => share * self.0[of],
                Mark::ShareOfMore(share, of) => counted - more + share * self.more(of),
            };
            let (framework, name) = (row.framework.name(), row.name());
            (counted > at_most).then(|| {
                format!(
                    "instructions of a service with {framework}, {name}, {counted:.0} instead of {at_most:.0}"
                )
            })
        })
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.table(), list(self.shortfalls()))
    }
}

/// Counts the instructions of a service that answers this many requests, one after the other on one connection.
fn count(program: &Path, row: &Row, url: &str, report: &Path, requests: u32) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--log-file={}", report.display()))
        .arg(program)
        .args(["caller", url, "--framework", row.framework.name(), "--traced", row.traced]);
    let mut service = Service::start("caller", command)?;
    let headers = request_headers(program)?;
    let (client, items) = (agent(), format!("{}/items/7", service.url()));
    for _ in 0..requests {
        interrupt::check()?;
        let mut request = client.get(&items);
        for (name, value) in &headers {
            let unsampled = value.strip_suffix("-1").filter(|_| !row.is_sampled);
            request = match unsampled.filter(|_| name == "sentry-trace") {
                Some(ids) => request.header(name, format!("{ids}-0")),
                None => request.header(name, value),
            };
        }
        request.call()?.body_mut().read_to_string()?;
    }
    // SIGINT lets the service end by itself, so that callgrind writes its totals.
    let process = service.process();
    let status = Command::new("kill").args(["-INT", &process.id().to_string()]).status()?;
    if !status.success() {
        bail!("cannot end a service ({status})");
    }
    while process.exit_status()?.is_none() {
        interrupt::pause()?;
    }
    let report = fs::read_to_string(report).context("cannot read callgrind's report")?;
    collected(&report).with_context(|| format!("valgrind counted nothing: {report}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_above_their_targets_are_named() {
        let mut requests = Requests(vec![100e3; ROWS.len()]);
        requests.0[2] = 113e3;
        requests.0[10] = 119.5e3;
        requests.0[5] = 95e3;
        assert_eq!(requests.shortfalls().collect::<Vec<_>>(), [""; 0]);
        requests.0[2] = 114e3;
        requests.0[10] = 121.1e3;
        requests.0[5] = 95.1e3;
        assert_eq!(
            requests.shortfalls().collect::<Vec<_>>(),
            [
                "instructions of a service with actix, both middlewares, 114000 instead of 113000",
                "instructions of a service with actix, both middlewares with the SDK, 95100 instead of 95000",
                "instructions of a service with axum, both layers, 121100 instead of 121000",
            ]
        );
        let table = requests.table().to_string();
        assert!(table.contains("121100") && table.contains("21100"), "{table}");
    }
}
