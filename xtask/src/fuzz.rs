//! `cargo xtask fuzz`: searches for input that breaks a promise.

mod corpus;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::ProgressBar;

use crate::debian;
use crate::interrupt;
use crate::process::{Process, run};
use crate::workspace::Workspace;

/// The version that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";

/// Search for input that breaks a promise, guided by coverage.
///
/// Findings go into `target/fuzz`, beside the kept inputs that the search starts with. Needs a C++ compiler, and
/// cargo-fuzz, which is installed if it is missing.
#[derive(Debug, Clone, Args)]
pub(crate) struct Fuzz {
    /// One target; all of them if left out.
    target: Option<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Inputs for each target, however long they take.
    #[arg(long, conflicts_with = "seconds")]
    runs: Option<u64>,
    /// Bytes of the longest input.
    #[arg(long, default_value_t = 512)]
    max_len: u32,
    /// Keep the inputs that were found: minimise them, and put them into the repository.
    #[arg(long)]
    keep: bool,
}

impl Fuzz {
    /// A run for every day, of some seconds for each target.
    pub(crate) fn short() -> Self {
        Self { target: None, seconds: 5, runs: None, max_len: 512, keep: false }
    }

    pub(crate) fn run(&self) -> Result<()> {
        let fuzzer = Fuzzer::new(&Workspace::load()?)?;
        let targets = match &self.target {
            Some(target) if !fuzzer.targets.contains(target) => {
                bail!("no target {target}: there are {}", fuzzer.targets.join(", "));
            }
            Some(target) => vec![target.clone()],
            None => fuzzer.targets.clone(),
        };
        ensure_compiler()?;
        ensure_cargo_fuzz(&fuzzer.workspace)?;
        fuzzer.build()?;
        for (index, target) in targets.iter().enumerate() {
            eprintln!("fuzzing {target}, {} of {}", index + 1, targets.len());
            fuzzer.unpack(target)?;
            let limit = match self.runs {
                Some(runs) => format!("-runs={runs}"),
                None => format!("-max_total_time={}", self.seconds),
            };
            fuzzer.fuzz(target, &[limit, format!("-max_len={}", self.max_len)])?;
            if self.keep {
                fuzzer.keep(target)?;
            }
        }
        Ok(())
    }
}

/// The fuzzer itself is C++.
fn ensure_compiler() -> Result<()> {
    let is_there = || std::env::var_os("CXX").is_some() || which::which("c++").is_ok();
    if is_there() || debian::install("g++")? && is_there() {
        return Ok(());
    }
    bail!("no C++ compiler found, which the fuzzer needs: get it with `apt-get install g++`")
}

fn ensure_cargo_fuzz(workspace: &Workspace) -> Result<()> {
    let mut version = workspace.cargo(["fuzz", "--version"]);
    let version = version.stdout(Stdio::null()).stderr(Stdio::null());
    if run("cargo fuzz", version).is_ok() {
        return Ok(());
    }
    eprintln!("installing cargo-fuzz {CARGO_FUZZ}, which takes a minute or two");
    let mut install =
        workspace.cargo(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ]);
    run("cargo install", &mut install)
}

/// The fuzz targets, and where their files are.
struct Fuzzer {
    workspace: Workspace,
    /// The crate of the targets.
    home: PathBuf,
    /// The target directory, with findings and inputs.
    directory: PathBuf,
    targets: Vec<String>,
}

impl Fuzzer {
    fn new(workspace: &Workspace) -> Result<Self> {
        let home = workspace.root().join("core").join("fuzz");
        let mut targets = Vec::new();
        let sources = home.join("fuzz_targets");
        for file in fs::read_dir(&sources).with_context(|| sources.display().to_string())? {
            let name = file?.path().file_stem().map(|name| name.to_string_lossy().into_owned());
            targets.extend(name);
        }
        targets.sort();
        let directory = workspace.target_directory().join("fuzz");
        Ok(Self { workspace: workspace.clone(), home, directory, targets })
    }

    /// A call of cargo-fuzz. Without a sanitizer: there is no unsafe code for a sanitizer to watch, and it would need a
    /// nightly compiler.
    fn cargo_fuzz(&self, subcommand: &str) -> Command {
        let mut command = self.workspace.cargo(["fuzz", subcommand, "--sanitizer", "none"]);
        command.arg("--target-dir").arg(&self.directory);
        // Cargo-fuzz looks here for a crate of fuzz targets.
        command.current_dir(self.home.join(".."));
        command
    }

    fn build(&self) -> Result<()> {
        run("cargo fuzz build", &mut self.cargo_fuzz("build"))
    }

    /// The inputs that the search starts with, and those that it finds.
    fn inputs(&self, target: &str) -> PathBuf {
        self.directory.join("corpus").join(target)
    }

    /// The inputs that are kept in the repository.
    fn kept(&self, target: &str) -> PathBuf {
        self.home.join("corpus").join(target).with_extension("txt")
    }

    fn unpack(&self, target: &str) -> Result<()> {
        corpus::unpack(&self.kept(target), &self.inputs(target))
    }

    fn fuzz(&self, target: &str, limits: &[String]) -> Result<()> {
        let findings = self.directory.join("findings");
        fs::create_dir_all(&findings)?;
        let mut command = self.cargo_fuzz("run");
        command.arg(target).arg(self.inputs(target)).arg("--").args(limits);
        command.arg(format!("-dict={}", self.home.join("dictionary.txt").display()));
        command.arg(format!("-artifact_prefix={}/{target}-", findings.display()));
        let last = watch(target, &mut command).with_context(|| {
            format!(
                "{target} did not pass: replay a finding with \
                 `cargo run --package tracehop-fuzz --bin {target} {}/{target}-…`",
                findings.display()
            )
        })?;
        eprintln!("{target}: {last}");
        Ok(())
    }

    fn keep(&self, target: &str) -> Result<()> {
        let mut command = self.cargo_fuzz("cmin");
        // A branch that is taken ten times instead of once is nothing new.
        command.arg(target).arg(self.inputs(target)).args(["--", "-use_counters=0"]);
        watch(target, &mut command).with_context(|| format!("cannot minimise {target}"))?;
        let count = corpus::pack(&self.inputs(target), &self.kept(target))?;
        eprintln!("{target}: {count} inputs kept");
        Ok(())
    }
}

/// Shows the latest line of a fuzzer on a terminal until the fuzzer ends. Returns its last line.
fn watch(target: &str, command: &mut Command) -> Result<String> {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut process = Process::spawn(target, command.stderr(Stdio::piped()))?;
    let status = loop {
        if let Some(status) = process.exit_status()? {
            break status;
        }
        bar.set_message(last_line(&process.stderr()));
        interrupt::pause()?;
    };
    bar.finish_and_clear();
    let stderr = process.stderr();
    if !status.success() {
        bail!("{status}{stderr}");
    }
    Ok(last_line(&stderr))
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_inputs_that_are_kept() {
        let fuzzer = Fuzzer::new(&Workspace::load().unwrap()).unwrap();
        assert!(!fuzzer.targets.is_empty());
        for target in &fuzzer.targets {
            assert!(fuzzer.kept(target).exists(), "{target}");
        }
    }
}
