//! `cargo xtask test`: everything that can be tested.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::demo::{Browser, Demo, chromium};
use crate::process::Process;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// The library that the other crates are built on.
const CORE: &str = "tracehop";

/// Run all tests: of the crates, of the documentation, and of the demo.
#[derive(Debug, Clone, Args)]
pub(crate) struct Test {
    /// Leave out the demo in Chromium; the summary says so.
    #[arg(long)]
    no_browser: bool,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        let mut steps = Steps::default();
        self.add_to(&mut steps, &Workspace::load()?);
        steps.run()
    }

    pub(crate) fn add_to(&self, steps: &mut Steps, workspace: &Workspace) {
        steps.command(
            "tests, all features",
            workspace.cargo(["test", "--workspace", "--all-features"]),
        );
        steps.command(
            format!("tests of {CORE}, default features"),
            workspace.cargo(["test", "--package", CORE]),
        );
        steps.function("demo over HTTP", "cargo xtask demo --once --browser http", || {
            run_demo(Browser::Http)
        });
        let name = "demo in Chromium";
        let command_line = "cargo xtask demo --once --browser chromium";
        if self.no_browser {
            steps.leave_out(name, format!("{command_line} (left out by --no-browser)"));
        } else {
            steps.function(name, command_line, || {
                ensure_chromium()?;
                run_demo(Browser::Chromium)
            });
        }
    }
}

fn run_demo(browser: Browser) -> Result<()> {
    let once = true;
    Demo { once, browser }.run()
}

/// Installs Chromium where that takes no more than a command: as root on Debian, which is what
/// most CI containers are.
fn ensure_chromium() -> Result<()> {
    if chromium::find()?.is_some() {
        return Ok(());
    }
    let apt_get = which::which("apt-get").ok();
    let Some(apt_get) = apt_get.filter(|_| chromium::is_root()) else {
        bail!(
            "no Chromium found: {}, or pass `--no-browser` to leave this step out",
            chromium::HOW_TO_GET
        );
    };
    eprintln!("no Chromium found: installing it with apt-get");
    let install = ["install", "-y", "--no-install-recommends", "chromium"];
    for arguments in [&["update"][..], &install] {
        let mut command = Command::new(&apt_get);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let status = Process::spawn("apt-get", &mut command)?.wait()?;
        if !status.success() {
            bail!("apt-get {} failed ({status})", arguments.join(" "));
        }
    }
    let installed = chromium::find()?;
    installed.context("apt-get installed Chromium, but it cannot be found")?;
    Ok(())
}
