//! Screenshots of a page of the collector.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::debian::is_root;

/// Names, sizes and colour schemes.
const SCREENSHOTS: [(&str, &str, &str); 3] = [
    ("trace.png", "1200,530", "--blink-settings=preferredColorScheme=1"),
    ("trace-dark.png", "1200,530", "--blink-settings=preferredColorScheme=0"),
    // Chromium's smallest window.
    ("trace-narrow.png", "500,780", "--blink-settings=preferredColorScheme=1"),
];

pub(super) fn take(program: &Path, url: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, size, scheme) in SCREENSHOTS {
        let path = folder.join(name);
        let mut command = Command::new(program);
        command.args(["--headless", "--disable-gpu", "--hide-scrollbars", scheme]);
        command.args(is_root().then_some("--no-sandbox"));
        command
            .arg(format!("--window-size={size}"))
            .arg(format!("--screenshot={}", path.display()));
        let status = command.arg(url).stderr(Stdio::null()).status()?;
        if !status.success() || !path.is_file() {
            bail!("Chromium took no screenshot ({status})");
        }
        eprintln!("screenshot: {}", path.display());
    }
    Ok(())
}
