//! Keeps what is measured on one processor, and everything else on another, so that turns can be compared.

use std::io;

/// Two of the processors that this process may run on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    /// The one for what is measured.
    measured: usize,
    /// The one for everything else.
    rest: usize,
}

impl Cores {
    /// Returns the first two. `None` if there is only one, or if the system is not Linux.
    pub(crate) fn find() -> Option<Self> {
        let mut usable = usable().ok()?.into_iter();
        Some(Self { measured: usable.next()?, rest: usable.next()? })
    }

    /// Starts something that is measured.
    pub(crate) fn for_measured<R>(self, start: impl FnOnce() -> R) -> io::Result<R> {
        on(self.measured, start)
    }

    /// Starts something else.
    pub(crate) fn for_rest<R>(self, start: impl FnOnce() -> R) -> io::Result<R> {
        on(self.rest, start)
    }
}

/// Starts something on one processor: what a thread starts stays on the processors that the thread may use.
#[cfg(target_os = "linux")]
fn on<R>(core: usize, start: impl FnOnce() -> R) -> io::Result<R> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let before = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only)?;
    let started = start();
    sched_setaffinity(None, &before)?;
    Ok(started)
}

#[cfg(not(target_os = "linux"))]
fn on<R>(_: usize, start: impl FnOnce() -> R) -> io::Result<R> {
    Ok(start())
}

#[cfg(target_os = "linux")]
fn usable() -> io::Result<Vec<usize>> {
    use rustix::thread::{CpuSet, sched_getaffinity};

    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

#[cfg(not(target_os = "linux"))]
fn usable() -> io::Result<Vec<usize>> {
    Ok(Vec::new())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn started_commands_keep_to_their_core() {
        let before = usable().unwrap();
        let Some(cores) = Cores::find() else { return };
        let allowed = || {
            let status = std::process::Command::new("cat").arg("/proc/self/status").output();
            let status = String::from_utf8(status.unwrap().stdout).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            line.unwrap().trim().to_owned()
        };
        assert_eq!(cores.for_measured(allowed).unwrap(), before[0].to_string());
        assert_eq!(cores.for_rest(allowed).unwrap(), before[1].to_string());
        assert_eq!(usable().unwrap(), before);
    }
}
