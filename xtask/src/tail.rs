//! The last lines of what a child process writes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const MAX_LINES: usize = 30;

/// How long to wait for the end of the stream of a process that has ended. Not for ever: a process that it started may
/// have inherited the stream, and hold it open.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// Keeps the last lines of a stream. A thread reads it to its end, so that its writer never
/// blocks on a full pipe.
#[derive(Debug)]
pub(crate) struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
    end: Receiver<()>,
}

impl Tail {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (end_sender, end) = mpsc::channel();
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for_each_line(stream, |line| keep(&kept, line));
            // The receiver sees the end of the stream by this drop.
            drop(end_sender);
        });
        Self { lines, end }
    }

    /// Waits a short time for the end of the stream, for when its writer is gone.
    pub(crate) fn wait_for_end(&self) {
        let _ = self.end.recv_timeout(END_TIMEOUT);
    }

    /// The lines kept so far, each ended by a newline.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Calls `each` with every line of `stream`, up to its end or an error. Bytes that are not UTF-8
/// are replaced, where [`BufRead::lines`] would stop.
pub(crate) fn for_each_line(stream: impl Read, mut each: impl FnMut(String)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => each(String::from_utf8_lossy(&line).trim_end().to_owned()),
        }
    }
}

fn keep(lines: &Mutex<VecDeque<String>>, line: String) {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == MAX_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let written: String = (0..MAX_LINES + 2).map(|n| format!("line {n}\n")).collect();

        let tail = Tail::of(std::io::Cursor::new(written));
        tail.wait_for_end();

        let text = tail.text();
        assert_eq!(text.lines().count(), MAX_LINES);
        assert_eq!(text.lines().next(), Some("line 2"));
        assert_eq!(text.lines().last(), Some(format!("line {}", MAX_LINES + 1).as_str()));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        let mut lines = Vec::new();
        for_each_line(&b"a\xff\nb"[..], |line| lines.push(line));
        assert_eq!(lines, ["a\u{fffd}", "b"]);
    }
}
