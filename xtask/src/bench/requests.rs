//! Instructions of whole services for each request: with and without traces, and with Sentry's SDK.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::{collected, request_headers};
use crate::interrupt;
use crate::service::{Service, agent};
use crate::workspace::Workspace;

/// How many requests a service answers, twice: what it does once has no part in the difference. The first time is left
/// out if it has none.
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
    what: &'static str,
    /// As the service takes it.
    traced: &'static str,
    is_sampled: bool,
    mark: Option<Mark>,
}

#[derive(Debug, Clone, Copy)]
enum Mark {
    /// So many instructions more than the service of the first row.
    MoreThanFirst(f64),
    /// The share of the row with this number.
    Share(f64, usize),
}

const ROWS: [Row; 7] = [
    Row { what: "no traces", traced: "not", is_sampled: true, mark: None },
    Row { what: "both headers by hand", traced: "by-hand", is_sampled: true, mark: None },
    Row {
        what: "both middlewares",
        traced: "fully",
        is_sampled: true,
        mark: Some(Mark::MoreThanFirst(13_000.0)),
    },
    Row { what: "the same, not sampled", traced: "fully", is_sampled: false, mark: None },
    Row {
        what: "sentry-actix with transactions, and a span by hand",
        traced: "sentry-actix",
        is_sampled: true,
        mark: None,
    },
    Row {
        what: "both middlewares with the SDK",
        traced: "recorded",
        is_sampled: true,
        mark: Some(Mark::Share(0.95, 4)),
    },
    Row {
        what: "the same, not sampled",
        traced: "recorded",
        is_sampled: false,
        mark: Some(Mark::Share(1.10, 3)),
    },
];

/// Instructions a request, in the order of [`ROWS`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Requests([f64; ROWS.len()]);

impl Requests {
    pub(crate) fn count(workspace: &Workspace, program: &Path, runs: Runs) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("called");
        let called = Service::start("called", command)?;
        let report = workspace.target_directory().join("callgrind.log");
        let mut counted = [0.0; ROWS.len()];
        for (row, counted) in ROWS.iter().zip(&mut counted) {
            eprintln!("counting the instructions of a service: {}", row.what);
            let count = |requests| count(program, row, called.url(), &report, requests);
            let once = if runs.few > 0 { count(runs.few)? } else { 0 };
            let difference = count(runs.many)?.saturating_sub(once);
            *counted = difference as f64 / f64::from(runs.many - runs.few);
        }
        Ok(Self(counted))
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["a service with actix-web that calls another", "instructions a request"]);
        for (row, counted) in ROWS.iter().zip(self.0) {
            table.add_row([row.what.to_owned(), format!("{counted:.0}")]);
        }
        table
    }

    /// What costs more than it should, a sentence each.
    pub(crate) fn shortfalls(&self) -> impl Iterator<Item = String> {
        ROWS.iter().zip(self.0).filter_map(|(row, counted)| {
            let at_most = match row.mark? {
                Mark::MoreThanFirst(more) => self.0[0] + more,
                Mark::Share(share, of) => share * self.0[of],
            };
            let what = row.what;
            (counted > at_most).then(|| {
                format!("instructions of a service, {what}, {counted:.0} instead of {at_most:.0}")
            })
        })
    }
}

/// Counts the instructions of a service that answers so many requests, one after the other on one connection.
fn count(program: &Path, row: &Row, url: &str, report: &Path, requests: u32) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--log-file={}", report.display()))
        .arg(program)
        .args(["caller", url, "--traced", row.traced]);
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
    // The service ends by itself, so that callgrind writes its totals.
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
