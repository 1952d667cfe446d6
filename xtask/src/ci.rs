//! `cargo xtask ci`: what a change has to pass.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use clap::Args;

use crate::bench::Bench;
use crate::fuzz::Fuzz;
use crate::interop::Interop;
use crate::process::run;
use crate::public_api::PublicApi;
use crate::steps::Steps;
use crate::test::{self, Test};
use crate::workspace::Workspace;

/// Run all checks: format, lints, documentation, public API, tests and packaging.
#[derive(Debug, Args)]
pub(crate) struct Ci {
    #[command(flatten)]
    test: Test,
}

impl Ci {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = &Workspace::load()?;
        let steps = &mut Steps::new();
        for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
            let line = format!("cargo {subcommand} --version");
            let ensure = || ensure_component(workspace, component, subcommand);
            steps.function(&format!("component {component}"), &line, ensure)?;
        }
        test::ensure_openssl()?;
        lint(steps, workspace)?;
        steps.function("public API", "cargo xtask public-api", || PublicApi::default().run())?;
        steps.command("lower bounds of dependencies", lower_bounds(workspace))?;
        self.test.run_steps(steps, workspace)?;
        steps.command("orders of threads", interleavings(workspace))?;
        steps.function("benchmarks run", "cargo xtask bench --quick", || {
            Bench { quick: true, only: None, write: false }.run()
        })?;
        steps.function("fuzz targets run", "cargo xtask fuzz", || Fuzz::short().run())?;
        steps.function("agreement with other SDKs", "cargo xtask interop", || {
            Interop::default().run()
        })?;
        steps.function("packages", "cargo package", || package(workspace))
    }
}

fn ensure_component(workspace: &Workspace, component: &str, subcommand: &str) -> Result<()> {
    if run(component, workspace.cargo([subcommand, "--version"]).stderr(Stdio::null())).is_ok() {
        return Ok(());
    }
    let mut install = Command::new("rustup");
    if run("rustup", install.args(["component", "add", component])).is_ok() {
        return Ok(());
    }
    bail!(
        "`cargo {subcommand}` is missing: get it with `rustup component add {component}`, or, \
         without rustup, from the source of this Rust"
    );
}

/// Lints and documentation, of all together and of each feature alone.
fn lint(steps: &mut Steps, workspace: &Workspace) -> Result<()> {
    steps.command("format", workspace.cargo(["fmt", "--all", "--check"]))?;
    let all = ["--workspace", "--all-features"];
    steps.command("clippy, all features", clippy(workspace, &all))?;
    steps.command("documentation, all features", documentation(workspace, &all))?;
    for package in workspace.published() {
        let name = package.name.as_str();
        let alone = ["--package", name, "--no-default-features"];
        let none = (format!("{name} without features"), alone.to_vec());
        let each = package.features.iter().map(|feature| {
            let selection = [&alone[..], &["--features", feature]].concat();
            (format!("{name} with {feature} alone"), selection)
        });
        for (what, selection) in std::iter::once(none).chain(each) {
            steps.command(&format!("clippy, {what}"), clippy(workspace, &selection))?;
            let documentation = documentation(workspace, &selection);
            steps.command(&format!("documentation, {what}"), documentation)?;
        }
    }
    Ok(())
}

fn clippy(workspace: &Workspace, selection: &[&str]) -> Command {
    let mut command = workspace.cargo(["clippy"]);
    command.args(selection).args(["--all-targets", "--", "-D", "warnings"]);
    command
}

fn documentation(workspace: &Workspace, selection: &[&str]) -> Command {
    let mut command = workspace.cargo(["doc", "--no-deps"]);
    command.args(selection).env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// Checks the published crates with the oldest dependencies that their manifests allow. The options of cargo for that
/// are unstable.
fn lower_bounds(workspace: &Workspace) -> Command {
    let directory = workspace.target_directory().join("lower-bounds");
    let lock_file = directory.join("Cargo.lock");
    let lock_file = format!("resolver.lockfile-path='{}'", lock_file.display());
    let mut command =
        workspace.cargo(["-Z", "direct-minimal-versions", "-Z", "lockfile-path", "--config"]);
    command.arg(lock_file).args(["check", "--all-features", "--target-dir"]).arg(directory);
    for package in workspace.published() {
        command.args(["--package", &package.name]);
    }
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

/// The tests in which shuttle orders the threads. They need another build of everything.
fn interleavings(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo(["test", "--lib", "--target-dir"]);
    command
        .arg(workspace.target_directory().join("shuttle"))
        .args(["--package", "tracehop", "--package", "tracehop-sentry", "interleavings"])
        .env("RUSTFLAGS", "--cfg shuttle");
    command
}

/// Packages the published crates, and builds each package.
///
/// Needs cargo 1.90: an older cargo looks up the crates of this workspace in the registry, which lacks a version that
/// is not published yet.
fn package(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(["package", "--workspace"]);
    command.args(workspace.unpublished().flat_map(|package| ["--exclude", &package.name]));
    // CI checks what was committed. A developer also checks what is not committed yet.
    if std::env::var("CI").as_deref() != Ok("true") {
        command.arg("--allow-dirty");
    }
    // Cargo unpacks our crates into its home, under a name made of their version and the target directory, and uses
    // what is there already. Only with a new directory does cargo check the current crates.
    let directory =
        tempfile::Builder::new().prefix("package-").tempdir_in(workspace.target_directory())?;
    run("cargo package", command.arg("--target-dir").arg(directory.path()))
}
