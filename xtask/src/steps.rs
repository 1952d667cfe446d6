//! Runs steps one after the other, and says which took how long.

use std::fmt::Display;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use comfy_table::{Cell, CellAlignment, Table, presets};
use console::style;

use crate::process::run;

/// A table of the steps so far. It is shown at the end, also after a failure.
pub(crate) struct Steps(Table);

impl Steps {
    pub(crate) fn new() -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        Self(table)
    }

    /// Runs a command. A failure is an error that names the step.
    pub(crate) fn command(&mut self, name: &str, mut command: Command) -> Result<()> {
        let line = format!("{command:?}");
        self.function(name, &line, || run(name, &mut command))
    }

    /// Calls a function that does what `command_line` does. A failure is an error that names the step.
    pub(crate) fn function(
        &mut self,
        name: &str,
        command_line: &str,
        function: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let number = self.0.row_count() + 1;
        let header = style(format!("{number}. {name}: {command_line}")).bold();
        eprintln!("\n{}", header.for_stderr());
        let start = Instant::now();
        let result = function();
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        eprintln!("{number}. {outcome} after {seconds} s");
        self.add_row(name, outcome, &seconds);
        result.with_context(|| format!("{name}: {command_line}"))
    }

    /// Notes a step that is not run.
    pub(crate) fn leave_out(&mut self, name: &str, why: impl Display) {
        self.add_row(name, &format!("left out {why}"), "");
    }

    fn add_row(&mut self, name: &str, outcome: &str, seconds: &str) {
        let seconds = Cell::new(seconds).set_alignment(CellAlignment::Right);
        self.0.add_row([Cell::new(name), Cell::new(outcome), seconds]);
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        eprintln!("\n{}", self.0);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn every_step_has_a_row_and_a_failure_names_it() {
        let mut steps = Steps::new();
        steps.function("format", "cargo fmt", || Ok(())).unwrap();
        let error = steps.function("tests", "cargo test", || bail!("no space left")).unwrap_err();
        steps.leave_out("demo", "by --no-browser");

        assert_eq!(format!("{error:#}"), "tests: cargo test: no space left");
        let table = steps.0.to_string();
        let rows: Vec<Vec<_>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[0][..2], ["format", "ok"]);
        assert_eq!(rows[1][..2], ["tests", "failed"]);
        assert_eq!(rows[2], ["demo", "left", "out", "by", "--no-browser"]);
        assert!(rows[0][2].parse::<f64>().is_ok(), "{table}");
    }
}
