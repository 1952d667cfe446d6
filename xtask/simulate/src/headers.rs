//! Header lines on their way from one service to the next.

use std::fmt::Write as _;

/// Names in lower case, and values, in order.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// Every line of a header.
pub(crate) fn lines<'h>(headers: &'h Headers, name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
}

/// The only line of a header, if there is one, and it is text.
pub(crate) fn only<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    let mut lines = lines(headers, name);
    let first = lines.next()?;
    lines.next().is_none().then(|| std::str::from_utf8(first).ok())?
}

/// Adds a line.
pub(crate) fn add(headers: &mut Headers, name: &str, value: impl Into<Vec<u8>>) {
    headers.push((name.to_owned(), value.into()));
}

/// Takes all lines of a header away.
pub(crate) fn remove(headers: &mut Headers, name: &str) {
    headers.retain(|(known, _)| known != name);
}

/// The lines as a person reads them.
pub(crate) fn shown(headers: &Headers) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        // Writing to a string does not fail.
        let _ = write!(text, "\n    {name}: {}", value.escape_ascii());
    }
    text
}
