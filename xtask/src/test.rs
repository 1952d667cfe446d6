//! `cargo xtask test`: everything that can be tested.

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::chromium;
use crate::debian::{self, ensure_installed};
use crate::demo::Demo;
use crate::pages::Pages;
use crate::process::Process;
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
        let mut steps = Steps::default();
        add_openssl(&mut steps);
        self.add_to(&mut steps, &Workspace::load()?);
        steps.run()
    }

    pub(crate) fn add_to(&self, steps: &mut Steps, workspace: &Workspace) {
        steps.command(
            "tests, all features",
            workspace.cargo(["test", "--workspace", "--all-features"]),
        );
        for package in workspace.published() {
            steps.command(
                format!("tests of {}, default features", package.name),
                workspace.cargo(["test", "--package", &package.name]),
            );
        }
        steps.command("programs of the README", workspace.cargo(README_PROGRAMS));
        let mut proxies = workspace.cargo(PROXIES);
        let line = format!("cargo {}", PROXIES.join(" "));
        steps.function("services behind nginx and HAProxy", line, move || {
            for name in ["nginx", "haproxy"] {
                ensure_installed(name, "the tests start")?;
            }
            let status = Process::spawn("cargo test", &mut proxies)?.wait()?;
            if !status.success() {
                bail!("{status}");
            }
            Ok(())
        });
        let simulate = Simulate::short();
        steps.function("simulation", simulate.command_line(), move || simulate.run());
        let in_chromium: [(_, _, fn() -> Result<()>); 2] = [
            ("demo in Chromium", "cargo xtask demo --once", || {
                chromium::ensure()?;
                Demo { once: true, sends_nowhere_else: true, ..Demo::default() }.run()
            }),
            ("pages and Spotlight in Chromium", "cargo xtask pages", || Pages::default().run()),
        ];
        for (name, command_line, run) in in_chromium {
            if self.no_browser {
                steps.leave_out(name, format!("{command_line} (left out by --no-browser)"));
            } else {
                steps.function(name, command_line, run);
            }
        }
    }
}

/// Builds each program in a project of its own, so it is not among the other tests.
const README_PROGRAMS: [&str; 7] =
    ["test", "--package", "tracehop-examples", "--test", "readme", "--", "--ignored"];

/// Needs nginx and HAProxy, so it is not among the other tests.
const PROXIES: [&str; 7] =
    ["test", "--package", "tracehop-doctor", "--test", "services", "--", "--ignored"];

/// Adds what the crate `sentry` builds with in its default features.
pub(crate) fn add_openssl(steps: &mut Steps) {
    steps.function("headers of OpenSSL", "pkg-config --exists openssl", ensure_openssl);
}

fn ensure_openssl() -> Result<()> {
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
