//! A headless Chromium.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::debian::{install, is_root};
use crate::process::Process;

/// The names that Chromium's builds are installed under.
const PROGRAMS: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// The variables that name the Chromium to use.
const VARIABLES: [&str; 2] = ["CHROMIUM", "CHROME"];

/// How to get Chromium, as the end of a sentence.
pub(crate) const HOW_TO_GET: &str =
    "install one (for example with `apt-get install chromium`), or set CHROMIUM to its path";

/// These turn off the traffic that a browser makes by itself, and what needs a screen.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--disable-gpu",
    // In a container the shared memory is often too small for it.
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
];

/// A running Chromium, ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Chromium {
    // Dropped in this order: the profile is removed when nothing writes to it any more.
    process: Process,
    _profile: TempDir,
}

impl Chromium {
    /// Opens `url` in a new Chromium with a new profile.
    pub(crate) fn open(program: &Path, url: &str) -> Result<Self> {
        let profile = new_profile()?;
        let mut command = headless(program, profile.path());
        command.arg(url).stdout(Stdio::null());
        Ok(Self { process: Process::spawn("Chromium", &mut command)?, _profile: profile })
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Makes an empty profile.
fn new_profile() -> Result<TempDir> {
    let profile = TempDir::with_prefix("chromium-profile-");
    profile.context("cannot make a directory for Chromium's profile")
}

fn headless(program: &Path, profile: &Path) -> Command {
    let mut profile_argument = OsString::from("--user-data-dir=");
    profile_argument.push(profile);

    let mut command = Command::new(program);
    command
        .args(ARGUMENTS)
        .arg(profile_argument)
        // Its crash reporter keeps its files here, whatever the profile.
        .env("XDG_CONFIG_HOME", profile);
    if is_root() {
        // Chromium refuses to run as root with its sandbox.
        command.arg("--no-sandbox");
    }
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Returns the Chromium to use, if there is one. Fails if a variable names a program that is missing.
pub(crate) fn find() -> Result<Option<PathBuf>> {
    find_with(|variable| std::env::var_os(variable), |program| which::which(program).ok())
}

/// Returns the Chromium to use. Installs one if there is none.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(program) = find()? {
        return Ok(program);
    }
    let installed = if install("chromium")? { find()? } else { None };
    installed.with_context(|| {
        format!("no Chromium found: {HOW_TO_GET}; `cargo xtask test --no-browser` does without")
    })
}

fn find_with(
    variable: impl Fn(&str) -> Option<OsString>,
    look_up: impl Fn(&OsString) -> Option<PathBuf>,
) -> Result<Option<PathBuf>> {
    for name in VARIABLES {
        let Some(program) = variable(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let Some(path) = look_up(&program) else {
            bail!(
                "{name} is set to {}, which is not a program: set it to the path of a Chromium, or unset it",
                program.display()
            );
        };
        return Ok(Some(path));
    }
    Ok(PROGRAMS.iter().find_map(|name| look_up(&name.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(variables: &[(&str, &str)], programs: &[&str]) -> Result<Option<PathBuf>> {
        find_with(
            |name| {
                let variable = variables.iter().find(|(variable, _)| *variable == name);
                variable.map(|(_, value)| value.into())
            },
            |program| {
                let is_there = programs.iter().any(|name| name == program);
                is_there.then(|| Path::new("/bin").join(program))
            },
        )
    }

    #[test]
    fn every_known_name_is_found() {
        assert_eq!(find_in(&[], &["firefox"]).unwrap(), None);
        for name in PROGRAMS {
            let found = find_in(&[], &["firefox", name]).unwrap();
            assert_eq!(found, Some(Path::new("/bin").join(name)));
        }
    }

    #[test]
    fn variables_win_over_known_names() {
        for name in VARIABLES {
            let found = find_in(&[(name, "brave")], &["chromium", "brave"]).unwrap();
            assert_eq!(found, Some(PathBuf::from("/bin/brave")), "{name}");
        }
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let found = find_in(&[("CHROMIUM", "")], &["chromium"]).unwrap();
        assert_eq!(found, Some(PathBuf::from("/bin/chromium")));
    }

    #[test]
    fn variables_without_a_program_are_errors() {
        let error = find_in(&[("CHROME", "/opt/chrome")], &["chromium"]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("CHROME is set to /opt/chrome, which is not a program: "),
            "{message}"
        );
    }
}
