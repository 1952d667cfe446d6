//! `cargo xtask bench`: measures the cost of propagation, beside other libraries.

mod cores;
mod longest;
mod requests;
mod services;
mod wrk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::longest::Longest;
use self::requests::{Requests, Runs};
use self::services::{Framework, Load, Services};
use crate::debian::ensure_installed;
use crate::executables::Executables;
use crate::process::run;
use crate::readme::Block;
use crate::workspace::Workspace;

const PACKAGE: &str = "tracehop-benches";

/// How often each side of a row runs while its instructions are counted.
const TIMES: u64 = 1_000;

/// Time this library and others on the same input, count instructions, and put load on a service with and without it.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Bench {
    /// Run each benchmark only for a moment, to see that it runs. The times mean little.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure only this.
    #[arg(long)]
    pub(crate) only: Option<Part>,
    /// Write the tables into `core/benches/README.md`.
    #[arg(long, conflicts_with = "quick")]
    pub(crate) write: bool,
}

/// A part of the measurements that needs no other.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Part {
    /// The instructions of whole services
    Requests,
    /// Whole services under load
    Services,
}

/// A row, as the benchmarks list it.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    id: String,
    what: String,
    peer: String,
    at_least: f64,
}

/// A row, as measured.
#[derive(Debug, Clone)]
struct Measured {
    row: Row,
    nanoseconds: Pair,
    instructions: Pair,
}

/// A figure of both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pair {
    ours: f64,
    peer: f64,
}

impl Pair {
    fn measure(side: impl Fn(&str) -> Result<f64>) -> Result<Self> {
        Ok(Self { ours: side("ours")?, peer: side("peer")? })
    }

    fn ratio(self) -> f64 {
        self.peer / self.ours
    }
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        ensure_installed("valgrind", "counts instructions")?;
        ensure_installed("wrk", "puts load on services")?;
        let workspace = Workspace::load()?;
        let binaries = ["--bins", "--profile", "bench"];
        let executables = || Executables::build(&workspace, &[PACKAGE], &binaries);
        let runs = if self.quick { Runs::QUICK } else { Runs::FULL };
        let load = if self.quick { Load::QUICK } else { Load::FULL };
        match self.only {
            Some(Part::Requests) => {
                let service = executables()?;
                let requests = Requests::count(&workspace, service.get("service")?, runs)?;
                return self.show(&workspace, REQUESTS, &requests.to_string());
            }
            Some(Part::Services) => {
                let services = services(executables()?.get("service")?, load)?;
                return self.show(&workspace, SERVICES, &text(&services));
            }
            None => {}
        }
        let mut criterion =
            workspace.cargo(["bench", "--package", PACKAGE, "--bench", "propagation", "--"]);
        criterion.arg("--noplot").args(self.quick.then_some("--quick"));
        run("cargo bench", &mut criterion)?;
        let executables = executables()?;
        let counted = executables.get("instructions")?;
        let reports = workspace.target_directory().join("criterion");
        let rows = printed::<Vec<Row>>(counted, &[])?
            .into_iter()
            .map(|row| {
                eprintln!("counting the instructions of {}", row.id);
                Ok(Measured {
                    nanoseconds: Pair::measure(|side| median(&reports, &row.id, side))?,
                    instructions: Pair::measure(|side| instructions(counted, &row.id, side))?,
                    row,
                })
            })
            .collect::<Result<Vec<_>>>()?;

        let longest = Longest::measure(|size| median(&reports, "sizes", size))?;

        let requests = Requests::count(&workspace, executables.get("service")?, runs)?;
        let services = services(executables.get("service")?, load)?;

        let short = shortfalls(&rows).into_iter().chain(longest.shortfall());
        let rows = format!("{}\n\n{longest}\n{}", table(&rows), list(short));
        self.show(&workspace, ROWS, &rows)?;
        self.show(&workspace, REQUESTS, &requests.to_string())?;
        self.show(&workspace, SERVICES, &text(&services))
    }

    /// Prints measurements. With `--write`, puts them into the document as well.
    fn show(self, workspace: &Workspace, block: Block, printed: &str) -> Result<()> {
        print!("{printed}");
        if self.write {
            block.settle(&workspace.root().join("core/benches/README.md"), printed, true)?;
        }
        Ok(())
    }
}

const ROWS: Block = Block { command: "cargo xtask bench" };

const REQUESTS: Block = Block { command: "cargo xtask bench --only requests" };

const SERVICES: Block = Block { command: "cargo xtask bench --only services" };

fn text(services: &[Services]) -> String {
    services.iter().map(Services::to_string).collect()
}

/// Puts load on the services of each framework.
fn services(program: &Path, load: Load) -> Result<Vec<Services>> {
    let measure = |framework| Services::measure(program, framework, load);
    Framework::ALL.into_iter().map(measure).collect()
}

/// Lists the targets that are missed, below a table.
fn list(shortfalls: impl IntoIterator<Item = String>) -> String {
    shortfalls.into_iter().map(|line| format!("\n* target missed: {line}\n")).collect()
}

/// Reads the JSON that a program of the benchmarks prints.
fn printed<T: DeserializeOwned>(program: &Path, arguments: &[&str]) -> Result<T> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("cannot read what {} printed", program.display()))
}

/// Returns the headers that a request to a service should have.
fn request_headers(service: &Path) -> Result<Vec<(String, String)>> {
    let mut headers: Vec<(String, String)> = printed(service, &["headers"])?;
    // The client sets its own `host`.
    headers.retain(|(name, _)| name != "host");
    Ok(headers)
}

/// Returns the median time of one side, in nanoseconds, from criterion's report.
fn median(reports: &Path, id: &str, side: &str) -> Result<f64> {
    let file: PathBuf = [reports, Path::new(id), Path::new(side)].iter().collect();
    let file = file.join("new").join("estimates.json");
    let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let estimates: Value = serde_json::from_slice(&text)?;
    estimates["median"]["point_estimate"].as_f64().context("criterion's report has no median")
}

/// Returns the instructions of one run of one side.
fn instructions(counted: &Path, id: &str, side: &str) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=instructions::measured*")
        .arg(counted)
        .args([id, side, &TIMES.to_string()])
        .stdin(Stdio::null());
    let output = valgrind.output().context("cannot start valgrind")?;
    let report = String::from_utf8_lossy(&output.stderr);
    let total =
        collected(&report).with_context(|| format!("valgrind counted nothing: {report}"))?;
    Ok(total as f64 / TIMES as f64)
}

/// Finds the total in callgrind's report.
fn collected(report: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok().filter(|total| *total != 0)
}

fn table(results: &[Measured]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["what", "peer", "at least", "by time", "by instructions", "ns", "peer's ns"]);
    for result in results {
        let times = |ratio: f64| Cell::new(times(ratio)).set_alignment(CellAlignment::Right);
        let number = |of: f64| Cell::new(format!("{of:.0}")).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(&result.row.what),
            Cell::new(&result.row.peer),
            times(result.row.at_least),
            times(result.nanoseconds.ratio()),
            times(result.instructions.ratio()),
            number(result.nanoseconds.ours),
            number(result.nanoseconds.peer),
        ]);
    }
    table
}

/// Writes a ratio. Small ones have two decimals, because 0.77 and 0.80 are different targets.
fn times(ratio: f64) -> String {
    let decimals = if ratio < 2.0 { 2 } else { 1 };
    format!("{ratio:.decimals$}×")
}

/// Returns a sentence for each row that is slower than it must be.
fn shortfalls(results: &[Measured]) -> Vec<String> {
    let is_short = |result: &&Measured| result.nanoseconds.ratio() < result.row.at_least;
    results
        .iter()
        .filter(is_short)
        .map(|result| {
            format!(
                "{} beside {}, {} instead of {}",
                result.row.what,
                result.row.peer,
                times(result.nanoseconds.ratio()),
                times(result.row.at_least)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_in_callgrinds_report() {
        let report = "==7== Events    : Ir\n==7== Collected : 3494000\n==7==\n";
        assert_eq!(collected(report), Some(3_494_000));
        assert_eq!(collected("==7== Collected : 0\n"), None);
        assert_eq!(collected("valgrind: no such file"), None);
    }

    #[test]
    fn rows_below_their_target_are_named() {
        let row = |id: &str, at_least| {
            let (what, peer) = (id.to_owned(), "others".to_owned());
            Row { id: id.to_owned(), what, peer, at_least }
        };
        let result = |id: &str, ours, at_least| Measured {
            row: row(id, at_least),
            nanoseconds: Pair { ours, peer: 100.0 },
            instructions: Pair { ours: 1.0, peer: 1.0 },
        };
        let results = [
            result("fast", 10.0, 7.0),
            result("slow", 50.0, 3.0),
            result("even", 25.0, 4.0),
            result("slower", 143.0, 1.0 / 1.3),
        ];
        let short = [
            "slow beside others, 2.0× instead of 3.0×",
            "slower beside others, 0.70× instead of 0.77×",
        ];
        assert_eq!(shortfalls(&results), short);
        let table = table(&results).to_string();
        assert!(
            table.lines().any(|line| line.contains("slow") && line.contains("2.0×")),
            "{table}"
        );
    }
}
