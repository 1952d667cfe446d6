//! Child processes that do not outlive their owner.

use std::process::{Child, ChildStdout, Command, ExitStatus};

use anyhow::{Context, Result, bail};

use crate::interrupt;
use crate::tail::Tail;

/// Runs a command to its end. It inherits the standard streams, so that its output on a terminal is the usual one.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<()> {
    let status = Process::spawn(name, command)?.wait()?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// A child process, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    stderr: Option<Tail>,
}

impl Process {
    /// Starts `command`. Its stderr is kept for [`Process::stderr`] if it is piped.
    pub(crate) fn spawn(name: impl Into<String>, command: &mut Command) -> Result<Self> {
        let name = name.into();
        let mut child = command.spawn().with_context(|| {
            format!("cannot start {name} ({})", command.get_program().display())
        })?;
        let stderr = child.stderr.take().map(Tail::of);
        Ok(Self { name, child, stderr })
    }

    /// Returns the stream of its stdout. Fails if stdout is not piped, or was taken before.
    pub(crate) fn take_stdout(&mut self) -> Result<ChildStdout> {
        let stdout = self.child.stdout.take();
        stdout.with_context(|| format!("the stdout of {} is not piped, or was taken", self.name))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, or kills it when interrupted.
    pub(crate) fn wait(mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.exit_status()? {
                // A ctrl-c explains the failure, as in `ensure_running`.
                if !status.success() {
                    interrupt::pause()?;
                }
                return Ok(status);
            }
            interrupt::pause()?;
        }
    }

    /// Fails with the process's stderr if the process has ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.exit_status()? {
            // A ctrl-c on a terminal reaches the child as well, which may end before this process notes it.
            interrupt::pause()?;
            if let Some(stderr) = &self.stderr {
                stderr.wait_for_end();
            }
            bail!("{} ended early ({status}){}", self.name, self.stderr());
        }
        Ok(())
    }

    /// Returns the last lines of its stderr with a heading, to append to a message.
    pub(crate) fn stderr(&self) -> String {
        let text = self.stderr.as_ref().map(Tail::text).unwrap_or_default();
        if text.is_empty() {
            format!("\n{} wrote nothing to stderr", self.name)
        } else {
            format!("\nstderr of {}:\n{}", self.name, text.trim_end())
        }
    }

    /// Its exit status, if it has ended.
    pub(crate) fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait();
        status.with_context(|| format!("cannot wait for {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::Read;
    use std::process::Stdio;

    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::spawn("script", &mut command).unwrap()
    }

    #[test]
    fn a_commands_exit_status_is_its_result() {
        assert!(run("good", &mut Command::new("true")).is_ok());
        let error = run("bad", &mut Command::new("false")).unwrap_err().to_string();
        assert!(error.starts_with("bad failed (exit status: 1"), "{error}");
    }

    #[test]
    fn waiting_returns_the_exit_status() {
        assert_eq!(shell("exit 3").wait().unwrap().code(), Some(3));
    }

    #[test]
    fn early_end_is_reported_with_stderr() {
        let mut process = shell("echo 'no such table' >&2; exit 3");
        let error = loop {
            if let Err(error) = process.ensure_running() {
                break error.to_string();
            }
            std::thread::yield_now();
        };
        assert!(error.contains("script ended early"), "{error}");
        assert!(error.contains("3"), "{error}");
        assert!(error.ends_with("stderr of script:\nno such table"), "{error}");
    }

    #[test]
    fn dropped_processes_are_killed() {
        let mut process = shell("exec tail -f /dev/null");
        let mut stdout = process.take_stdout().unwrap();

        drop(process);

        // The pipe ends when its last writer is gone. This writer never ends by itself.
        assert_eq!(stdout.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
