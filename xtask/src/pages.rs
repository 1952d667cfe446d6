//! `cargo xtask pages`: the page script, htmx, the filters, caches, hostile callers and the demo in a real browser.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::chromium;
use crate::debian::is_root;
use crate::executables::Executables;
use crate::interop::install::{
    Interpreter, PACKAGES, bundle, install_node, install_spotlight, run,
};
use crate::service::Service;
use crate::workspace::Workspace;

/// The source of the page script, and the minified script that the crate ships. From the root of the workspace.
const SOURCE: &str = "askama-helpers/src/page_script/page.js";
const SHIPPED: &str = "askama-helpers/src/page_script/page.min.js";

/// The headers that a page of another origin may send.
const FEW_HEADERS: &str = "content-type, x-application";
const ALL_HEADERS: &str = "sentry-trace, baggage, content-type, x-application";

/// Load pages in Chromium: with the page script, with htmx, with the bare filters, for hostile callers, from its cache,
/// and those of the demo.
///
/// Installs what it needs, and starts three services that note what arrives: the pages' own origin, one that they list,
/// and one that they do not list. The demo sends its traces to a real Spotlight as well.
#[derive(Debug, Default, Args)]
pub(crate) struct Pages {
    /// Minify the page script anew, instead of comparing the two. The constants beside it need its new hash then.
    #[arg(long)]
    pub(crate) write: bool,
}

impl Pages {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = Workspace::load()?;
        let node = install_node(&workspace)?;
        self.minify(&workspace, &node)?;
        let spotlight = install_spotlight(&workspace)?;
        let chromium = chromium::ensure()?;
        let sentry = workspace.target_directory().join("pages/sentry.js");
        bundle(&node, "pages/sentry.mjs", &sentry)?;
        // The packages that `cargo xtask interop` builds: a build of fewer could have other features, and build the
        // dependencies again.
        let executables = Executables::build(&workspace, &PACKAGES, &["--bins"])?;
        let start = |allowed: &str| {
            let mut command = executables.command("pages")?;
            command.arg("--htmx").arg(node.folder().join("node_modules/htmx.org/dist/htmx.js"));
            command.arg("--sentry").arg(&sentry).args(["--allow-headers", allowed]);
            Service::start("pages", command)
        };
        let [own, listed, foreign] =
            [start(ALL_HEADERS)?, start(ALL_HEADERS)?, start(FEW_HEADERS)?];
        let mut tests =
            node_test(&node, &[node.folder().join("pages"), spotlight.folder().to_owned()])?;
        tests
            .env("PAGES_DEMO", executables.get("demo")?)
            .env("PAGES_OWN", own.url())
            .env("PAGES_LISTED", listed.url())
            .env("PAGES_FOREIGN", foreign.url())
            .env("PAGES_CHROMIUM", chromium)
            // Chromium refuses to run as root with its sandbox.
            .env("PAGES_SANDBOX", (!is_root()).to_string());
        run("tests of pages", &mut tests)
    }

    fn minify(&self, workspace: &Workspace, node: &Interpreter) -> Result<()> {
        let (source, shipped) = (workspace.root().join(SOURCE), workspace.root().join(SHIPPED));
        let mut command = node.command("node_modules/esbuild/bin/esbuild");
        let output =
            command.arg(source).args(["--minify", "--log-level=error"]).stderr(Stdio::inherit());
        let output = output.output().context("cannot start esbuild")?;
        if !output.status.success() {
            bail!("esbuild cannot read {SOURCE} ({})", output.status);
        }
        if self.write {
            return fs::write(&shipped, output.stdout)
                .with_context(|| format!("cannot write {SHIPPED}"));
        }
        let committed = fs::read(&shipped).with_context(|| format!("cannot read {SHIPPED}"))?;
        if committed != output.stdout {
            bail!("{SHIPPED} is not {SOURCE}, minified: run `cargo xtask pages --write`");
        }
        Ok(())
    }
}

/// Node's own test runner, over all tests of some folders.
fn node_test(node: &Interpreter, folders: &[PathBuf]) -> Result<Command> {
    let mut files = Vec::new();
    for folder in folders {
        let entries = fs::read_dir(folder);
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(".test.mjs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut command = Command::new(node.program());
    command.args(["--test", "--test-reporter=spec"]).args(files);
    Ok(command)
}
