//! Runs steps one after the other and sums them up.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use console::style;

use crate::process::Process;

/// Steps to run in order. The first that fails is the last that runs.
#[derive(Default)]
pub(crate) struct Steps {
    steps: Vec<Step>,
}

struct Step {
    name: String,
    /// The command line that does the same.
    command_line: String,
    action: Action,
}

enum Action {
    Command(Command),
    Function(Box<dyn FnOnce() -> Result<()>>),
    LeaveOut,
}

struct Row {
    name: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Ok(Duration),
    Failed(Duration),
    NotRun,
}

impl Steps {
    /// Adds a command. It inherits the standard streams, so that its output on a terminal is the usual one.
    pub(crate) fn command(&mut self, name: impl Into<String>, command: Command) {
        self.steps.push(Step {
            name: name.into(),
            command_line: command_line(&command),
            action: Action::Command(command),
        });
    }

    /// Adds a function that does what `command_line` does.
    pub(crate) fn function(
        &mut self,
        name: impl Into<String>,
        command_line: impl Into<String>,
        function: impl FnOnce() -> Result<()> + 'static,
    ) {
        self.steps.push(Step {
            name: name.into(),
            command_line: command_line.into(),
            action: Action::Function(Box::new(function)),
        });
    }

    /// Adds a step that an option leaves out. The summary still lists it.
    pub(crate) fn leave_out(&mut self, name: impl Into<String>, option: impl Into<String>) {
        self.steps.push(Step {
            name: name.into(),
            command_line: option.into(),
            action: Action::LeaveOut,
        });
    }

    /// Runs the steps. The error names the first step that failed.
    pub(crate) fn run(self) -> Result<()> {
        let (rows, failure) = self.run_until_failure();
        eprintln!("\n{}", summary(&rows));
        match failure {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn run_until_failure(self) -> (Vec<Row>, Option<Error>) {
        let count = self.steps.len();
        let mut rows = Vec::with_capacity(count);
        let mut failure = None;
        for (index, step) in self.steps.into_iter().enumerate() {
            let outcome = if failure.is_some() {
                Outcome::NotRun
            } else {
                let number = format!("[{}/{count}]", index + 1);
                let (outcome, error) =
                    run_step(&number, step.action, &step.name, &step.command_line);
                failure = error.map(|error| {
                    error.context(format!("{} failed: {}", step.name, step.command_line))
                });
                outcome
            };
            rows.push(Row { name: step.name, outcome });
        }
        (rows, failure)
    }
}

fn run_step(
    number: &str,
    action: Action,
    name: &str,
    command_line: &str,
) -> (Outcome, Option<Error>) {
    let header = style(format!("{number} {name}: {command_line}")).bold();
    eprintln!("\n{}", header.for_stderr());
    let start = Instant::now();
    let result = match action {
        Action::LeaveOut => {
            eprintln!("{number} not run");
            return (Outcome::NotRun, None);
        }
        Action::Command(command) => run_command(name, command),
        Action::Function(function) => function(),
    };
    let duration = start.elapsed();
    let seconds = format!("{:.1} s", duration.as_secs_f64());
    match result {
        Ok(()) => {
            let word = style("ok").green().for_stderr();
            eprintln!("{number} {word} after {seconds}");
            (Outcome::Ok(duration), None)
        }
        Err(error) => {
            let word = style("failed").red().for_stderr();
            eprintln!("{number} {word} after {seconds}");
            (Outcome::Failed(duration), Some(error))
        }
    }
}

fn run_command(name: &str, mut command: Command) -> Result<()> {
    let status = Process::spawn(name, &mut command)?.wait()?;
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}

/// Returns the command as a user types it: with the environment that it adds, and its program by name only.
fn command_line(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}={}", name.to_string_lossy(), quoted(&value)))
    });
    let program = Path::new(command.get_program()).file_stem();
    let program = program.unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|it| quoted(&it.to_string_lossy()));
    let words: Vec<_> = variables.chain([program]).chain(arguments).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains(char::is_whitespace) {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}

fn summary(rows: &[Row]) -> String {
    let widest = rows.iter().map(|row| row.name.chars().count()).max();
    let width = widest.unwrap_or_default().max("step".len());
    let mut table = format!("{:width$}  result   seconds\n", "step");
    for Row { name, outcome } in rows {
        // Padded before it is coloured: the escape codes would count as width.
        let (result, duration) = match outcome {
            Outcome::Ok(duration) => (style("ok     ").green(), Some(duration)),
            Outcome::Failed(duration) => (style("failed ").red(), Some(duration)),
            Outcome::NotRun => (style("not run").yellow(), None),
        };
        let seconds = duration
            .map_or_else(|| "-".to_owned(), |duration| format!("{:.1}", duration.as_secs_f64()));
        let result = result.for_stderr();
        // Writing to a string does not fail.
        let _ = writeln!(table, "{name:width$}  {result}  {seconds:>7}");
    }
    table
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use anyhow::anyhow;

    use super::*;

    fn is_ok(row: &Row) -> bool {
        matches!(row.outcome, Outcome::Ok(_))
    }

    #[test]
    fn all_steps_run_except_those_left_out() {
        let calls = Rc::new(Cell::new(0));
        let mut steps = Steps::default();
        for name in ["one", "two"] {
            let calls = Rc::clone(&calls);
            steps.function(name, name, move || {
                calls.set(calls.get() + 1);
                Ok(())
            });
        }
        steps.leave_out("three", "left out");

        let (rows, failure) = steps.run_until_failure();

        assert!(failure.is_none());
        assert_eq!(calls.get(), 2);
        assert!(is_ok(&rows[0]) && is_ok(&rows[1]));
        assert_eq!(rows[2].outcome, Outcome::NotRun);
    }

    #[test]
    fn the_first_failure_is_named_and_ends_the_run() {
        let mut steps = Steps::default();
        steps.function("one", "cargo one", || Ok(()));
        steps.function("two", "cargo two", || Err(anyhow!("no space left")));
        steps.function("three", "cargo three", || panic!("must not run"));

        let (rows, failure) = steps.run_until_failure();

        let message = format!("{:#}", failure.unwrap());
        assert_eq!(message, "two failed: cargo two: no space left");
        assert!(is_ok(&rows[0]));
        assert!(matches!(rows[1].outcome, Outcome::Failed(_)));
        assert_eq!(rows[2].outcome, Outcome::NotRun);
    }

    #[cfg(unix)]
    #[test]
    fn a_commands_exit_status_is_its_result() {
        let mut steps = Steps::default();
        steps.command("good", Command::new("true"));
        steps.command("bad", Command::new("false"));

        let (rows, failure) = steps.run_until_failure();

        assert!(is_ok(&rows[0]));
        assert!(matches!(rows[1].outcome, Outcome::Failed(_)));
        let message = format!("{:#}", failure.unwrap());
        assert!(message.starts_with("bad failed: false: "), "{message}");
    }

    #[test]
    fn command_lines_can_be_typed() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["doc", "--features", "a b"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            command_line(&command),
            r#"RUSTDOCFLAGS="-D warnings" cargo doc --features "a b""#
        );
    }

    #[test]
    fn summary_is_a_table() {
        let row = |name: &str, outcome| Row { name: name.to_owned(), outcome };
        let rows = [
            row("format", Outcome::Ok(Duration::from_millis(420))),
            row("tests of all", Outcome::Failed(Duration::from_secs(61))),
            row("demo", Outcome::NotRun),
        ];
        let table = console::strip_ansi_codes(&summary(&rows)).into_owned();
        assert_eq!(
            table,
            "step          result   seconds\n\
             format        ok           0.4\n\
             tests of all  failed      61.0\n\
             demo          not run        -\n"
        );
    }
}
