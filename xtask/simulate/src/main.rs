//! Simulates a random fleet of services, and checks that they agree on every trace.
//!
//! * `graph` makes services of different roles that call each other.
//! * `walk` sends traces through them. Services with the library are in `ours`. Services without it read and write the
//!   text of headers, in `strangers`.
//! * `oracle` computes from the roles alone what each header must be. It does not use the library.

mod call;
mod graph;
mod headers;
mod oracle;
mod ours;
mod report;
mod strangers;
mod told;
mod walk;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::graph::Fleet;
use crate::report::Report;

/// Sends traces through a fleet of services at random, and checks what each of them is sent.
#[derive(Debug, Clone, Parser)]
#[command(name = "simulate", bin_name = "cargo xtask simulate")]
struct Arguments {
    /// Services in the fleet.
    #[arg(long, default_value = "1000")]
    services: NonZeroUsize,
    /// Traces that go through it.
    #[arg(long, default_value_t = 100_000)]
    traces: u64,
    /// The seed of everything random except the ids that services make. Printed if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Send only this trace, to reproduce a failure.
    #[arg(long)]
    trace: Option<u64>,
}

/// The number of traces that a thread takes at a time.
const BATCH: u64 = 64;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let services = arguments.services.get();
    println!("{} traces through {services} services, --seed {seed}", arguments.traces);
    let fleet = Fleet::new(services, seed)?;
    println!("{}", fleet.summary());
    let report = match arguments.trace {
        Some(trace) => simulate(&fleet, trace..trace + 1),
        None => simulate(&fleet, 0..arguments.traces),
    };
    let report = report.with_context(|| format!("--services {services} --seed {seed}"))?;
    println!("{report}");
    report.ensure_shares_are_near_the_rates()
}

/// Sends the traces on all cores. Returns what was counted, or the failure of the trace with the lowest number.
fn simulate(fleet: &Fleet, traces: std::ops::Range<u64>) -> Result<Report> {
    let bar = ProgressBar::new(traces.end - traces.start);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} traces, {eta} left") {
        bar.set_style(style);
    }
    let (next, has_failed) = (AtomicU64::new(traces.start), AtomicBool::new(false));
    let work = || {
        let mut report = Report::default();
        while !has_failed.load(Ordering::Relaxed) {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= traces.end {
                break;
            }
            let batch = first..traces.end.min(first + BATCH);
            let count = batch.end - batch.start;
            for trace in batch {
                walk::send(fleet, trace, &mut report).map_err(|error| {
                    has_failed.store(true, Ordering::Relaxed);
                    (trace, error.context(format!("--trace {trace}")))
                })?;
            }
            advance(&bar, count);
        }
        Ok(report)
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    bar.finish_and_clear();
    let (mut sum, mut failures) = (Report::default(), BTreeMap::new());
    for result in results {
        match result.map_err(|_| anyhow!("a thread panicked"))? {
            Ok(report) => sum = sum.and(report),
            Err((trace, error)) => drop(failures.insert(trace, error)),
        }
    }
    failures.pop_first().map_or(Ok(sum), |(_, error)| Err(error))
}

/// Advances the progress bar. Without a terminal, prints a line for every tenth of the traces.
fn advance(bar: &ProgressBar, traces: u64) {
    bar.inc(traces);
    let (now, tenth) = (bar.position(), bar.length().unwrap_or_default().div_ceil(10).max(1));
    if bar.is_hidden() && now / tenth != now.saturating_sub(traces) / tenth {
        eprintln!("{now} traces sent");
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_small_fleet_agrees() {
        for seed in 0..20 {
            let fleet = Fleet::new(50, seed).unwrap();
            let report = simulate(&fleet, 0..100).unwrap();
            report.ensure_shares_are_near_the_rates().unwrap();
        }
    }
}
