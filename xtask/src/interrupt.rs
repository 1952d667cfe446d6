//! What ctrl-c does.
//!
//! A signal's default action would end this process without running any `Drop`, and leave the processes behind that it
//! started. The handler therefore only sets a flag, and every loop that waits checks the flag often.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How often a waiting loop looks at what it waits for.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(50);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Notes ctrl-c, and on Unix SIGTERM and SIGHUP, from now on.
pub(crate) fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        // A second ctrl-c ends this process at once, without cleaning up.
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })
    .context("cannot handle ctrl-c")
}

/// Whether ctrl-c was pressed.
pub(crate) fn is_set() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Fails once ctrl-c was pressed.
pub(crate) fn check() -> Result<()> {
    if is_set() {
        bail!("interrupted");
    }
    Ok(())
}

/// Sleeps until the next look is due. Fails once ctrl-c was pressed.
pub(crate) fn pause() -> Result<()> {
    check()?;
    thread::sleep(POLL_INTERVAL);
    check()
}
