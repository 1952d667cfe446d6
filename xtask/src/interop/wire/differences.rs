//! The table of headers that this library reads differently on purpose.

use anyhow::{Context, Result, ensure};
use regex_lite::Regex;
use serde::Deserialize;

use super::{Header, Name, Values};
use crate::interop::peer::Peer;

const TABLE: &str = include_str!("../../../interop/differences.toml");

#[derive(Debug)]
pub(super) struct Differences(Vec<(Difference, Regex)>);

#[derive(Debug, Deserialize)]
struct Table {
    difference: Vec<Difference>,
}

#[derive(Debug, Deserialize)]
struct Difference {
    header: Name,
    /// The difference in words, for readers and error messages.
    what: String,
    reason: String,
    pattern: String,
    #[serde(flatten)]
    extent: Extent,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Extent {
    /// One member, or a header that is no list.
    One { example: String, javascript: Values, python: Values, ours: Values },
    /// A whole list, of which ours may leave members out.
    List { whole_list: bool },
}

impl Difference {
    /// The example, with what ours and what the peer reads.
    fn example(&self, peer: Peer) -> Option<(&str, &Values, &Values)> {
        match &self.extent {
            Extent::One { example, javascript, python, ours } => {
                let theirs = if matches!(peer, Peer::Python | Peer::PythonStreamed) {
                    python
                } else {
                    javascript
                };
                Some((example, ours, theirs))
            }
            Extent::List { .. } => None,
        }
    }

    fn is_of(&self, peer: Peer) -> bool {
        self.example(peer).is_some_and(|(_, ours, theirs)| ours != theirs)
    }
}

impl Differences {
    pub(super) fn load() -> Result<Self> {
        Self::read(TABLE)
    }

    fn read(text: &str) -> Result<Self> {
        let table: Table = toml::from_str(text).context("cannot read the table of differences")?;
        let rows = table.difference.into_iter().map(|row| {
            let about = || format!("the difference {:?}", row.what);
            let pattern = Regex::new(&row.pattern).with_context(about)?;
            if let Some((example, ..)) = row.example(Peer::Node) {
                let is_matched = pattern.is_match(example);
                ensure!(is_matched, "{}: its pattern does not match its example", about());
                ensure!(
                    row.is_of(Peer::Node) || row.is_of(Peer::Python),
                    "{}: both SDKs read its example as ours does",
                    about()
                );
            }
            ensure!(!row.reason.is_empty(), "{}: has no reason", about());
            Ok((row, pattern))
        });
        Ok(Self(rows.collect::<Result<_>>()?))
    }

    /// Each row's example, with what ours and what the peer reads.
    pub(super) fn examples(&self, peer: Peer) -> impl Iterator<Item = (Header, &Values, &Values)> {
        self.0.iter().filter_map(move |(row, _)| {
            let (example, ours, theirs) = row.example(peer)?;
            Some((Header { name: row.header, value: example.to_owned() }, ours, theirs))
        })
    }

    /// Whether the peer may read this member, or this header that is no list, differently.
    pub(super) fn excuse(&self, peer: Peer, header: &Header) -> bool {
        self.matching(header).any(|row| row.is_of(peer))
    }

    /// Whether members of this list may be left out.
    pub(super) fn may_be_cut(&self, header: &Header) -> bool {
        self.matching(header).any(|row| matches!(row.extent, Extent::List { whole_list: true }))
    }

    fn matching(&self, header: &Header) -> impl Iterator<Item = &Difference> {
        let rows = self
            .0
            .iter()
            .filter(|(row, pattern)| row.header == header.name && pattern.is_match(&header.value));
        rows.map(|(row, _)| row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"
        [[difference]]
        header = "baggage"
        what = "blanks"
        pattern = ' ='
        example = "sentry-a =1"
        javascript = { a = "1" }
        python = { "a " = "1" }
        ours = { a = "1" }
        reason = "they are no part of it""#;

    fn baggage(value: &str) -> Header {
        Header { name: Name::Baggage, value: value.to_owned() }
    }

    #[test]
    fn rows_excuse_only_sdks_that_differ() {
        let table = Differences::read(ROW).unwrap();
        assert!(table.excuse(Peer::Python, &baggage("sentry-b =1")));
        assert!(!table.excuse(Peer::Node, &baggage("sentry-b =1")));
        assert!(!table.excuse(Peer::Python, &baggage("sentry-b=1")));
        assert!(!table.may_be_cut(&baggage("sentry-b =1")));
    }

    #[test]
    fn faulty_rows_are_errors() {
        let table = [
            (
                ROW.replace("' ='", "'x'"),
                "the difference \"blanks\": its pattern does not match its example",
            ),
            (
                ROW.replace("\"a \"", "a"),
                "the difference \"blanks\": both SDKs read its example as ours does",
            ),
            (ROW.replace("they are no part of it", ""), "the difference \"blanks\": has no reason"),
        ];
        for (text, message) in table {
            assert_eq!(Differences::read(&text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn the_table_can_be_read() {
        Differences::load().unwrap();
    }
}
