//! `cargo xtask simulate`: checks that a fleet of services agrees on every trace.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::executables::Executables;
use crate::process::run;
use crate::workspace::Workspace;

const PACKAGE: &str = "tracehop-simulate";

/// Send traces through a fleet of services at random, and check every hop.
///
/// Some services have the library, with different options. Others have an old SDK or OpenTelemetry, or are hostile.
/// Each hop is checked against what follows from the roles alone.
#[derive(Debug, Clone, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Simulate {
    /// Options of the simulation itself, such as `--services`, `--traces` and `--seed`; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

impl Simulate {
    /// A run for every day, of some seconds.
    pub(crate) fn short() -> Self {
        Self { options: ["--services=300", "--traces=10000"].map(str::to_owned).into() }
    }

    /// Returns the command line that does the same.
    pub(crate) fn command_line(&self) -> String {
        ["cargo xtask simulate", &self.options.join(" ")].join(" ")
    }

    pub(crate) fn run(&self) -> Result<()> {
        let executables = Executables::build(&Workspace::load()?, &[PACKAGE], &["--release"])?;
        let mut command = Command::new(executables.get(PACKAGE)?);
        run("the simulation", command.args(&self.options))
    }
}
