//! Keeps what is measured on one processor, and everything else on another, so that turns can be compared.

use std::ffi::OsStr;
use std::process::Command;
use std::thread::available_parallelism;

/// The processor for what is measured.
pub(crate) const MEASURED: &str = "0";

/// The processor for everything else.
pub(crate) const REST: &str = "1";

/// Makes a command that runs a program on one processor. Elsewhere than on Linux, and with one processor, it runs
/// anywhere.
pub(crate) fn on(core: &str, program: impl AsRef<OsStr>) -> Command {
    let has_both = available_parallelism().is_ok_and(|processors| processors.get() > 1);
    if !has_both || which::which("taskset").is_err() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(program);
    command
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn started_commands_keep_to_their_core() {
        if available_parallelism().unwrap().get() == 1 {
            return;
        }
        for core in [MEASURED, REST] {
            let status = on(core, "cat").arg("/proc/self/status").output().unwrap();
            let status = String::from_utf8(status.stdout).unwrap();
            assert!(status.contains(&format!("Cpus_allowed_list:\t{core}\n")), "{status}");
        }
    }
}
