//! `cargo xtask test`: everything that can be tested.

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::chromium;
use crate::debian::{self, ensure_installed};
use crate::demo::Demo;
use crate::pages::Pages;
use crate::simulate::Simulate;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// Run all tests: of the crates, of the documentation, and of the demo.
#[derive(Debug, Clone, Args)]
pub(crate) struct Test {
    /// Leave out what needs Chromium; the summary says so.
    #[arg(long)]
    no_browser: bool,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        ensure_openssl()?;
        self.run_steps(&mut Steps::new(), &Workspace::load()?)
    }

    pub(crate) fn run_steps(self, steps: &mut Steps, workspace: &Workspace) -> Result<()> {
        let all = workspace.cargo(["test", "--workspace", "--all-features"]);
        steps.command("tests, all features", all)?;
        for package in workspace.published() {
            let name = format!("tests of {}, default features", package.name);
            steps.command(&name, workspace.cargo(["test", "--package", &package.name]))?;
        }
        steps.command("programs of the README", workspace.cargo(README_PROGRAMS))?;
        for name in ["nginx", "haproxy"] {
            ensure_installed(name, "the tests start")?;
        }
        steps.command("services behind nginx and HAProxy", workspace.cargo(PROXIES))?;
        let simulate = Simulate::short();
        steps.function("simulation", &simulate.command_line(), || simulate.run())?;
        if self.no_browser {
            steps.leave_out("what needs Chromium", "by --no-browser");
            return Ok(());
        }
        steps.function("demo in Chromium", "cargo xtask demo --once", || {
            chromium::ensure()?;
            Demo { once: true, sends_nowhere_else: true, ..Demo::default() }.run()
        })?;
        steps.function("pages and Spotlight in Chromium", "cargo xtask pages", || {
            Pages::default().run()
        })
    }
}

/// Builds each program in a project of its own, so it is not among the other tests.
const README_PROGRAMS: [&str; 7] =
    ["test", "--package", "tracehop-examples", "--test", "readme", "--", "--ignored"];

/// Needs nginx and HAProxy, so it is not among the other tests.
const PROXIES: [&str; 7] =
    ["test", "--package", "tracehop-doctor", "--test", "services", "--", "--ignored"];

/// Installs what the crate `sentry` builds with in its default features.
pub(crate) fn ensure_openssl() -> Result<()> {
    let found = Command::new("pkg-config").args(["--exists", "openssl"]).status();
    let is_there = found.is_ok_and(|status| status.success());
    if is_there || debian::install("pkg-config")? && debian::install("libssl-dev")? {
        return Ok(());
    }
    bail!(
        "the default features of `sentry` need pkg-config and the headers of OpenSSL: get them with `apt-get install \
         pkg-config libssl-dev`"
    );
}
