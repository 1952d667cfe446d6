//! Debian's packages, for tools that cargo cannot bring.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process::run;

/// Installs a package as root on Debian, which most CI containers are. Returns `false` elsewhere.
pub(crate) fn install(package: &str) -> Result<bool> {
    let Some(apt_get) = which::which("apt-get").ok().filter(|_| is_root()) else {
        return Ok(false);
    };
    eprintln!("installing {package} with apt-get");
    let install = ["install", "-y", "--no-install-recommends", package];
    for arguments in [&["update"][..], &install] {
        let mut command = Command::new(&apt_get);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&format!("apt-get {}", arguments[0]), &mut command)?;
    }
    Ok(true)
}

/// Installs a program if it is missing. The Debian package has the same name.
pub(crate) fn ensure_installed(name: &str, what_for: &str) -> Result<()> {
    let is_there = || which::which(name).is_ok();
    if is_there() || install(name)? && is_there() {
        return Ok(());
    }
    bail!("no {name} found, which {what_for}: get it with `apt-get install {name}`")
}

/// Whether this process runs as root. `false` on systems other than Unix.
pub(crate) fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    return false;
}
