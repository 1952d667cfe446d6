//! Screenshots of a page of the collector.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::debian::is_root;
use crate::interop::install::{install_node, run};
use crate::workspace::Workspace;

pub(super) fn take(workspace: &Workspace, program: &Path, url: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut script = install_node(workspace)?.command("demo/screenshots.mjs");
    script.arg("--chromium").arg(program).args(["--url", url]).arg("--folder").arg(folder);
    // Chromium refuses to run as root with its sandbox.
    script.args(is_root().then_some("--no-sandbox"));
    run("screenshots", &mut script)
}
