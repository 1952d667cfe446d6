//! Header lines on their way from one service to the next.

use std::fmt::Write as _;

/// Names in lower case, and values, in order.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// Returns every line of a header.
pub(crate) fn lines<'h>(headers: &'h Headers, name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
}

/// Returns the only line of a header; `None` if there are none or several, or if it is not text.
pub(crate) fn only<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    let mut lines = lines(headers, name);
    let first = lines.next()?;
    lines.next().is_none().then(|| std::str::from_utf8(first).ok())?
}

/// Adds a line.
pub(crate) fn add(headers: &mut Headers, name: &str, value: impl Into<Vec<u8>>) {
    headers.push((name.to_owned(), value.into()));
}

/// Removes all lines of a header.
pub(crate) fn remove(headers: &mut Headers, name: &str) {
    headers.retain(|(known, _)| known != name);
}

/// Returns the lines for an error message.
pub(crate) fn shown(headers: &Headers) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        // Writing to a string does not fail.
        let _ = write!(text, "\n    {name}: {}", value.escape_ascii());
    }
    text
}
