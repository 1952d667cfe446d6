//! The chores of the tracehop workspace: `cargo xtask --help` lists them.

mod bench;
mod chromium;
mod ci;
mod collector;
mod debian;
mod demo;
#[cfg(test)]
mod documents;
mod executables;
mod fuzz;
mod headers;
mod interop;
mod interrupt;
#[cfg(test)]
mod manifests;
mod pages;
mod process;
mod public_api;
mod readme;
mod service;
mod shop;
mod simulate;
mod steps;
mod tail;
mod test;
#[cfg(test)]
mod test_server;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of the tracehop workspace.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    Demo(demo::Demo),
    Interop(interop::Interop),
    Bench(bench::Bench),
    Test(test::Test),
    Pages(pages::Pages),
    Ci(ci::Ci),
    Fuzz(fuzz::Fuzz),
    Simulate(simulate::Simulate),
    PublicApi(public_api::PublicApi),
}

impl Chore {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Demo(chore) => chore.run(),
            Self::Interop(chore) => chore.run(),
            Self::Bench(chore) => chore.run(),
            Self::Test(chore) => chore.run(),
            Self::Pages(chore) => chore.run(),
            Self::Ci(chore) => chore.run(),
            Self::Fuzz(chore) => chore.run(),
            Self::Simulate(chore) => chore.run(),
            Self::PublicApi(chore) => chore.run(),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match interrupt::install().and_then(|()| arguments.chore.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let label = console::style("error:").red().bold().for_stderr();
            eprintln!("{label} {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
