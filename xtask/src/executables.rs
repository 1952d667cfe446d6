//! Builds executables of the workspace.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Result, anyhow, bail};
use cargo_metadata::Message;

use crate::process::Process;
use crate::workspace::Workspace;

/// The executables of some packages, by the name of their binary target.
#[derive(Debug)]
pub(crate) struct Executables {
    packages: String,
    paths: HashMap<String, PathBuf>,
}

impl Executables {
    /// Builds the packages. Cargo's progress and diagnostics go to stderr, as usual.
    pub(crate) fn build(
        workspace: &Workspace,
        packages: &[&str],
        selection: &[&str],
    ) -> Result<Self> {
        let mut command = workspace.cargo(["build"]);
        command.args(packages.iter().flat_map(|package| ["--package", package])).args(selection);
        let packages = packages.join(", ");
        // Cargo says where the executables are: the target directory may be configured anywhere.
        command.arg("--message-format=json-render-diagnostics");
        let mut cargo = Process::spawn("cargo build", command.stdout(Stdio::piped()))?;
        let stdout = cargo.take_stdout()?;
        let reader = thread::spawn(move || Self::read(stdout));
        let status = cargo.wait()?;
        if !status.success() {
            bail!("cannot build {packages}: cargo build failed ({status})");
        }
        let paths =
            reader.join().map_err(|_| anyhow!("cannot read what cargo build printed"))??;
        Ok(Self { packages, paths })
    }

    fn read(messages: impl Read) -> Result<HashMap<String, PathBuf>> {
        let mut paths = HashMap::new();
        for message in Message::parse_stream(BufReader::new(messages)) {
            if let Message::CompilerArtifact(artifact) = message?
                && artifact.target.is_bin()
                && let Some(path) = artifact.executable
            {
                paths.insert(artifact.target.name, path.into_std_path_buf());
            }
        }
        Ok(paths)
    }

    /// A command that runs one of them.
    pub(crate) fn command(&self, name: &str) -> Result<Command> {
        Ok(Command::new(self.get(name)?))
    }

    pub(crate) fn get(&self, name: &str) -> Result<&PathBuf> {
        let path = self.paths.get(name);
        path.ok_or_else(|| anyhow!("there is no binary {name} in {}", self.packages))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn artifact(name: &str, kind: &str, executable: Value) -> String {
        let message = json!({
            "reason": "compiler-artifact",
            "package_id": format!("path+file:///repository#{name}@0.1.0"),
            "manifest_path": "/repository/Cargo.toml",
            "target": {
                "kind": [kind], "crate_types": [kind], "name": name,
                "src_path": "/repository/src/main.rs", "edition": "2024",
                "doc": true, "doctest": false, "test": true,
            },
            "profile": {
                "opt_level": "0", "debuginfo": 2, "debug_assertions": true,
                "overflow_checks": true, "test": false,
            },
            "features": [], "filenames": [], "executable": executable, "fresh": false,
        });
        format!("{message}\n")
    }

    #[test]
    fn executables_are_found_in_cargos_messages() {
        let messages = [
            artifact("serde", "lib", json!(null)),
            artifact("build-script-build", "custom-build", json!(null)),
            artifact("inventory", "bin", json!("/elsewhere/debug/inventory")),
            artifact("demo", "example", json!("/elsewhere/debug/examples/demo")),
            "{\"reason\":\"build-finished\",\"success\":true}\n".to_owned(),
        ];
        let paths = Executables::read(messages.concat().as_bytes()).unwrap();
        let executables = Executables { packages: "tracehop-examples".to_owned(), paths };
        assert_eq!(executables.get("inventory").unwrap(), Path::new("/elsewhere/debug/inventory"));
        for name in ["serde", "build-script-build", "demo"] {
            let error = executables.get(name).unwrap_err().to_string();
            assert_eq!(error, format!("there is no binary {name} in tracehop-examples"));
        }
    }
}
