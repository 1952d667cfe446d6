//! The same headers, read and written again by this library and by SDKs.
//!
//! Lists are compared member by member, since all implementations read them so. A difference then belongs to one
//! member, and excuses no other.

mod differences;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use self::differences::Differences;
use super::facts::Facts;
use super::lab::{Generator, Lab};
use super::matrix::Cell;
use super::peer::Peer;
use crate::process::run;

/// A header. Its characters are its bytes, as services see them: Latin-1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Header {
    name: Name,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    SentryTrace,
    Baggage,
}

/// The values of a header, by their names.
type Values = BTreeMap<String, String>;

/// One implementation's reading of a header.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Reading {
    values: Values,
    /// The header that it writes with these values; empty if it would write none.
    written: String,
}

/// Checks that both read the generated headers alike, and what both write of them, except for the table of differences.
pub(super) fn check(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    if !matches!(peer, Peer::Node | Peer::Python | Peer::PythonStreamed) {
        let note = "compared with the functions of the SDKs for JavaScript and Python";
        return Ok(Cell::cannot(Facts::default(), note));
    }
    let mut facts = Facts::default();
    let differences = Differences::load()?;
    for (example, ours_expected, theirs_expected) in differences.examples(peer) {
        let [ours, theirs] = read_by_both(lab, peer, std::slice::from_ref(&example))?;
        facts.equal(format_args!("ours of {example:?}"), &ours[0].values, ours_expected);
        facts.equal(format_args!("theirs of {example:?}"), &theirs[0].values, theirs_expected);
    }
    let compare = |headers: &[Header], facts: &mut Facts| -> Result<[Vec<Reading>; 2]> {
        compare(lab, peer, &differences, headers, facts)
    };
    let headers = generate(lab, lab.generator())?;
    let [ours, theirs] = compare(&headers, &mut facts)?;
    let (written_by_ours, values) = written(&headers, ours);
    let [again, _] = compare(&written_by_ours, &mut facts)?;
    for ((header, values), again) in written_by_ours.iter().zip(&values).zip(&again) {
        facts.equal(format_args!("ours of its own {header:?}"), &again.values, values);
        facts.equal("what ours writes of what it wrote", &again.written, &header.value);
    }
    let (written_by_theirs, _) = written(&headers, theirs);
    compare(&written_by_theirs, &mut facts)?;
    Ok(Cell::can(facts))
}

/// Returns the headers that were written, with the values that each was written from.
fn written(headers: &[Header], readings: Vec<Reading>) -> (Vec<Header>, Vec<Values>) {
    let pairs = headers.iter().zip(readings).filter(|(_, reading)| !reading.written.is_empty());
    pairs
        .map(|(header, Reading { values, written })| {
            (Header { name: header.name, value: written }, values)
        })
        .unzip()
}

/// Has both read the headers, and compares.
fn compare(
    lab: &Lab,
    peer: Peer,
    differences: &Differences,
    headers: &[Header],
    facts: &mut Facts,
) -> Result<[Vec<Reading>; 2]> {
    let members = members(headers);
    let [ours, theirs] = read_by_both(lab, peer, &members)?;
    for ((member, ours), theirs) in members.iter().zip(&ours).zip(&theirs) {
        let is_named = ours.values != theirs.values && differences.excuse(peer, member);
        let expected = if is_named { &ours.values } else { &theirs.values };
        facts.equal(format_args!("{member:?}"), &ours.values, expected);
    }
    let by_member = [by_member(&members, ours), by_member(&members, theirs)];
    let readings = read_by_both(lab, peer, headers)?;
    for (readings, by_member) in readings.iter().zip(&by_member) {
        for (header, reading) in headers.iter().zip(readings) {
            let merged = merged(header, by_member);
            let is_cut = reading.values != merged && differences.may_be_cut(header);
            let what = format_args!("{header:?} as its members");
            if is_cut {
                facts.hold(what, is_part(&reading.values, header, by_member));
            } else {
                facts.equal(what, &reading.values, &merged);
            }
        }
    }
    Ok(readings)
}

/// Returns each distinct member of the lists, and the headers that are no lists.
fn members(headers: &[Header]) -> Vec<Header> {
    let members = headers.iter().flat_map(|header| match header.name {
        Name::SentryTrace => vec![header.clone()],
        Name::Baggage => list(header).collect(),
    });
    members.collect::<BTreeSet<_>>().into_iter().collect()
}

fn list(header: &Header) -> impl Iterator<Item = Header> {
    let members = header.value.split(',').map(str::to_owned);
    members.map(|value| Header { name: Name::Baggage, value })
}

fn by_member(members: &[Header], readings: Vec<Reading>) -> BTreeMap<Header, Values> {
    members.iter().cloned().zip(readings.into_iter().map(|reading| reading.values)).collect()
}

/// The values of a list: of equal names the last.
fn merged(header: &Header, by_member: &BTreeMap<Header, Values>) -> Values {
    match header.name {
        Name::SentryTrace => by_member.get(header).cloned().unwrap_or_default(),
        Name::Baggage => list(header)
            .filter_map(|member| by_member.get(&member))
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}

/// Whether each of the values is one of a member.
fn is_part(values: &Values, header: &Header, by_member: &BTreeMap<Header, Values>) -> bool {
    values.iter().all(|(name, value)| {
        list(header)
            .any(|member| by_member.get(&member).is_some_and(|it| it.get(name) == Some(value)))
    })
}

/// Generated values of `baggage` that an HTTP client can send.
pub(super) fn baggage(lab: &Lab, generator: Generator) -> Result<Vec<String>> {
    let headers = generate(lab, generator)?.into_iter();
    let is_ascii = |value: &String| value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let lists = headers.filter(|header| header.name == Name::Baggage);
    Ok(lists.map(|header| header.value).filter(is_ascii).collect())
}

fn generate(lab: &Lab, Generator { seed, count }: Generator) -> Result<Vec<Header>> {
    let mut command = lab.installed().rust.command("wire")?;
    command.args(["generate", "--seed", &seed.to_string(), "--count", &count.to_string()]);
    let output = lab.artifacts().join("headers.jsonl");
    run(READER, command.stdout(create(&output)?))?;
    lines(&output)
}

/// Returns the readings of all headers: those of ours and those of the peer.
fn read_by_both(lab: &Lab, peer: Peer, headers: &[Header]) -> Result<[Vec<Reading>; 2]> {
    let input = lab.artifacts().join("asked.jsonl");
    let mut file = BufWriter::new(create(&input)?);
    for header in headers {
        serde_json::to_writer(&mut file, header)?;
        writeln!(file)?;
    }
    file.flush()?;
    let mut ours = lab.installed().rust.command("wire")?;
    ours.arg("read");
    let theirs = match peer {
        Peer::Node => lab.installed().node.command("wire.mjs"),
        Peer::Python => lab.installed().python.command("wire.py"),
        Peer::PythonStreamed => lab.installed().python_streamed.command("wire.py"),
        _ => bail!("{peer:?} reads no headers by itself"),
    };
    let read = |mut command: Command| -> Result<Vec<Reading>> {
        let output = lab.artifacts().join("read.jsonl");
        run(READER, command.stdin(File::open(&input)?).stdout(create(&output)?))?;
        let readings = lines(&output)?;
        ensure!(readings.len() == headers.len(), "{command:?} left headers unread");
        Ok(readings)
    };
    Ok([read(ours)?, read(theirs)?])
}

const READER: &str = "a reader of headers";

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baggage(value: &str) -> Header {
        Header { name: Name::Baggage, value: value.to_owned() }
    }

    fn values(values: &[(&str, &str)]) -> Values {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn equal_keys_count_with_the_last_value() {
        let list = baggage("a=1,b=2,a=3");
        assert_eq!(members(&[list.clone(), baggage("a=1")]), ["a=1", "a=3", "b=2"].map(baggage));
        let by_member = BTreeMap::from([
            (baggage("a=1"), values(&[("a", "1")])),
            (baggage("a=3"), values(&[("a", "3")])),
            (baggage("b=2"), Values::new()),
        ]);
        assert_eq!(merged(&list, &by_member), values(&[("a", "3")]));
    }

    #[test]
    fn unwritten_values_are_not_read_again() {
        let reading =
            |written: &str| Reading { values: Values::new(), written: written.to_owned() };
        let headers = [baggage("a=1"), baggage("sentry-b=1 ")];
        let (written, _) = written(&headers, vec![reading(""), reading("sentry-b=1")]);
        assert_eq!(written, [baggage("sentry-b=1")]);
    }
}
