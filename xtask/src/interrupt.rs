//! What ctrl-c does.
//!
//! A signal's default action would end this process without running any `Drop`, and leave the
//! processes it started behind. The signal is therefore only noted, and everything that waits
//! here looks at the note often.

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
        // Whoever asks a second time does not want to wait for the cleaning up.
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

/// An error once ctrl-c was pressed.
pub(crate) fn check() -> Result<()> {
    if is_set() {
        bail!("interrupted");
    }
    Ok(())
}

/// Sleeps until the next look is due; an error once ctrl-c was pressed.
pub(crate) fn pause() -> Result<()> {
    check()?;
    thread::sleep(POLL_INTERVAL);
    check()
}
