//! Installs the peers, each pinned by the lock file of its ecosystem.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use serde_json::Value;

use crate::chromium;
use crate::debian;
use crate::executables::Executables;
use crate::process;
use crate::workspace::Workspace;

/// Where the peers' services are, from the root of the workspace.
const FOLDER: &str = "xtask/interop";

/// The packages of the services in Rust. One build of both gives them the same features of their dependencies.
pub(crate) const PACKAGES: [&str; 2] = ["tracehop-interop", "tracehop-examples"];

/// The programs of the peers, and their versions.
#[derive(Debug)]
pub(super) struct Installed {
    /// The services in Rust, the demo's among them, and the collector.
    pub(super) rust: Executables,
    pub(super) node: Interpreter,
    pub(super) python: Interpreter,
    /// The same scripts, with the version of the SDK that streams spans.
    pub(super) python_streamed: Interpreter,
    /// Relay's decisions by the `trace` header of an envelope.
    pub(super) relay_sampling: Interpreter,
    /// Relay's reading of transactions and errors.
    pub(super) relay_events: Interpreter,
    pub(super) chromium: PathBuf,
    pub(super) versions: Versions,
}

/// As the lock files name them.
#[derive(Debug)]
pub(super) struct Versions {
    pub(super) node: String,
    pub(super) browser: String,
    pub(super) python: String,
    pub(super) python_streamed: String,
    pub(super) rust: String,
    pub(super) opentelemetry: String,
}

impl Installed {
    pub(super) fn install(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.root().join(FOLDER);
        let node = install_node(workspace)?;
        let python = install_python(folder.join("python"))?;
        let python_streamed = Interpreter {
            folder: python.folder.clone(),
            ..install_python(folder.join("python/streamed"))?
        };
        let relay_sampling = install_python(folder.join("relay/sampling"))?;
        let relay_events = install_python(folder.join("relay/events"))?;
        let chromium = chromium::ensure()?;
        let locked = locked_crates(workspace)?;
        Ok(Self {
            rust: Executables::build(workspace, &PACKAGES, &["--bins"])?,
            versions: Versions {
                node: node_package_version(&node, "@sentry/node")?,
                browser: node_package_version(&node, "@sentry/browser")?,
                python: python_package_version(&python, "sentry-sdk")?,
                python_streamed: python_package_version(&python_streamed, "sentry-sdk")?,
                rust: locked("sentry")?,
                opentelemetry: locked("opentelemetry_sdk")?,
            },
            node,
            python,
            python_streamed,
            relay_sampling,
            relay_events,
            chromium,
        })
    }
}

/// The versions of crates in the lock file, the newest of each. The peers use the newest, and the benchmarks may need an
/// older one beside it.
fn locked_crates(workspace: &Workspace) -> Result<impl Fn(&str) -> Result<String>> {
    let mut command = MetadataCommand::new();
    command.current_dir(workspace.root()).other_options(vec!["--locked".to_owned()]);
    let metadata = command.exec().context("cannot read which crates are locked")?;
    Ok(move |name: &str| {
        let named = metadata.packages.iter().filter(|package| package.name == name);
        let package = named.max_by_key(|package| &package.version);
        let package = package.with_context(|| format!("{name} is not in Cargo.lock"))?;
        Ok(package.version.to_string())
    })
}

/// A program that runs the scripts of a folder, with the packages that they need.
#[derive(Debug)]
pub(crate) struct Interpreter {
    program: PathBuf,
    folder: PathBuf,
}

impl Interpreter {
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The folder of the scripts, with `node_modules` in it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command that runs a script.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(self.folder.join(script));
        command
    }
}

/// Node.js with the packages of the SDKs.
pub(crate) fn install_node(workspace: &Workspace) -> Result<Interpreter> {
    install_node_in(workspace.root().join(FOLDER).join("node"))
}

/// Node.js with the packages of Spotlight. They are apart, because they would hold back versions that the SDKs need.
pub(crate) fn install_spotlight(workspace: &Workspace) -> Result<Interpreter> {
    install_node_in(workspace.root().join(FOLDER).join("node/demo"))
}

fn install_node_in(folder: PathBuf) -> Result<Interpreter> {
    let Some(program) = which::which("node").ok().filter(|node| is_node_new_enough(node)) else {
        bail!("no Node.js of version 20 or higher found: get it from nodejs.org, with its npm")
    };
    let npm = which::which("npm").context("no npm found: it comes with Node.js")?;
    let modules = folder.join("node_modules");
    once_for(&folder.join("package-lock.json"), &modules, || {
        let mut command = Command::new(npm);
        command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run("npm ci", command.current_dir(&folder))
    })?;
    Ok(Interpreter { program, folder })
}

fn is_node_new_enough(node: &Path) -> bool {
    let output = Command::new(node).arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = version.unwrap_or_default();
    let major = version.trim().trim_start_matches('v').split('.').next();
    major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 20)
}

fn node_package_version(node: &Interpreter, package: &str) -> Result<String> {
    let file = node.folder.join("node_modules").join(package).join("package.json");
    let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let package: Value = serde_json::from_slice(&text)?;
    let version = package["version"].as_str();
    Ok(version.with_context(|| format!("{} has no version", file.display()))?.to_owned())
}

/// Bundles a script of Node's folder, and all that it imports, into one script for browsers.
pub(crate) fn bundle(node: &Interpreter, script: &str, into: &Path) -> Result<()> {
    let mut command = node.command("node_modules/esbuild/bin/esbuild");
    command.arg(node.folder.join(script)).args(["--bundle", "--format=esm", "--log-level=error"]);
    let mut output = OsString::from("--outfile=");
    output.push(into);
    run("esbuild", command.arg(output))
}

/// A virtual environment of Python, with the packages of a folder's lock file.
fn install_python(folder: PathBuf) -> Result<Interpreter> {
    let environment = folder.join(".venv");
    let binaries = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let program = binaries.join(if cfg!(windows) { "python.exe" } else { "python3" });
    let lock = folder.join("requirements.txt");
    once_for(&lock, &environment, || {
        make_environment(&environment)?;
        let mut command = Command::new(&program);
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        command.args(["--require-hashes", "--only-binary", ":all:", "--requirement"]);
        run("pip install", command.arg(&lock))
    })?;
    Ok(Interpreter { program, folder })
}

fn python_package_version(python: &Interpreter, package: &str) -> Result<String> {
    let script = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";
    let output = Command::new(&python.program).args(["-c", script, package]).output();
    let output = output.context("cannot start the installed Python")?;
    if !output.status.success() {
        bail!("{package} is not installed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn make_environment(environment: &Path) -> Result<()> {
    let python = || which::which("python3").ok();
    if python().is_none() {
        debian::install("python3")?;
    }
    let Some(python) = python() else {
        bail!("no python3 found: get it with `apt-get install python3-venv`, or from python.org")
    };
    let make = || {
        run(
            "python3 -m venv",
            Command::new(&python).args(["-m", "venv", "--clear"]).arg(environment),
        )
    };
    // Debian's Python comes without the part that makes environments.
    make().or_else(|error| if debian::install("python3-venv")? { make() } else { Err(error) })
}

/// Calls `make`, which makes `place` from `lock`, unless `place` was made from the same text of `lock`.
fn once_for(lock: &Path, place: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let text = fs::read(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let stamp = place.join(".made-from");
    if fs::read(&stamp).is_ok_and(|made_from| made_from == text) {
        return Ok(());
    }
    make()?;
    fs::write(&stamp, text).with_context(|| format!("cannot write {}", stamp.display()))
}

pub(crate) fn run(name: &str, command: &mut Command) -> Result<()> {
    eprintln!("{name}: {}", command.get_args().collect::<Vec<_>>().join(OsStr::new(" ")).display());
    process::run(name, command)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_unchanged_lock_installs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, place) = (folder.path().join("lock"), folder.path().join("place"));
        let made = Cell::new(0);
        let make = || {
            once_for(&lock, &place, || {
                made.set(made.get() + 1);
                Ok(fs::create_dir_all(&place)?)
            })
        };
        fs::write(&lock, "one").unwrap();
        make().unwrap();
        make().unwrap();
        assert_eq!(made.get(), 1);
        fs::write(&lock, "two").unwrap();
        make().unwrap();
        assert_eq!(made.get(), 2);
        once_for(&lock, &folder.path().join("broken"), || bail!("no network")).unwrap_err();
        assert!(!folder.path().join("broken/.made-from").exists());
    }
}
