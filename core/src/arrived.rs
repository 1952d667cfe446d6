//! The baggage of a trace that is continued, as it came.

use std::borrow::Cow;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use memchr::memmem::Finder;

use crate::dsc::DynamicSamplingContext;
use crate::shared_values::SharedValues;
use crate::wire::{Baggage, BaggageMember, SentryTrace, joined};

/// The lines of a baggage as one, as much as counts of them, behind [room](SharedValues::ROOM) for what is sent beside
/// it.
#[derive(Debug)]
pub(crate) struct ArrivedLine(Vec<u8>);

/// The one item that every request is asked for.
const ORG_ID: &str = "sentry-org_id";

/// What is looked for: without the prefix, which all items have and which would stop the search at each.
const NAME: &str = "org_id";

impl ArrivedLine {
    pub(crate) fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(joined(SharedValues::ROOM, lines))
    }

    /// What [`DynamicSamplingContext::org_id`] says, without a look at anything else.
    pub(crate) fn org_id(&self) -> Option<Cow<'_, [u8]>> {
        let line = self.0.get(SharedValues::ROOM..)?;
        if is_far_from_the_limits(line) {
            return last_org_id(line).filter(|id| !id.is_empty());
        }
        // Looked into once more if it is handed on: so long a baggage is rare.
        let dsc = DynamicSamplingContext::from_baggage([line]);
        Some(Cow::Owned(dsc.org_id()?.into_owned().into_bytes()))
    }
}

/// Baggage that is kept as bytes, and looked into only when something is asked that it has to answer: many
/// requests call nobody, and a decision that came along needs nothing of it.
#[derive(Debug)]
pub(crate) struct ArrivedBaggage {
    /// Until it becomes the dynamic sampling context.
    line: Mutex<Vec<u8>>,
    dsc: OnceLock<DynamicSamplingContext>,
}

impl ArrivedBaggage {
    /// The dynamic sampling context in it, for a service that has this position in the trace.
    pub(crate) fn dsc(&self, position: &SentryTrace) -> &DynamicSamplingContext {
        self.dsc.get_or_init(|| {
            let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            DynamicSamplingContext::arrived(std::mem::take(&mut line), position)
        })
    }
}

impl From<ArrivedLine> for ArrivedBaggage {
    fn from(ArrivedLine(line): ArrivedLine) -> Self {
        Self { line: Mutex::new(line), dsc: OnceLock::new() }
    }
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Whether no item of a line can be left out for being one too many, or too long once it is tidy.
fn is_far_from_the_limits(line: &[u8]) -> bool {
    const SHORTEST: usize = "sentry-a=,".len();
    // A tidy list is three times as long at the most.
    const BYTES: usize = Baggage::MAX_BYTES / 3;
    let is_comma = |byte: &&u8| **byte == b',';
    line.len() < Baggage::MAX_MEMBERS * SHORTEST
        || line.len() < BYTES && line.iter().filter(is_comma).count() < Baggage::MAX_MEMBERS
}

fn last_org_id(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NAME));
    let mut last = None;
    let mut start = 0;
    while let Some(found) = FINDER.find(&line[start..]) {
        let name = start + found;
        start = name + NAME.len();
        if let Some(id) = plain_org_id(&line[..name], &line[start..]).or_else(|| {
            let member = member_at(line, name.checked_sub(ORG_ID.len() - NAME.len())?)?;
            org_id_of(member)
        }) {
            last = Some(id);
        }
    }
    last
}

/// A number that stands between what is before and behind the name, as all SDKs write it: there is nothing to tidy
/// or to decode then.
fn plain_org_id<'a>(before: &[u8], behind: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let [.., b',', b's', b'e', b'n', b't', b'r', b'y', b'-'] = before else { return None };
    let [b'=', value @ ..] = behind else { return None };
    let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    let (digits, rest) = value.split_at(end);
    matches!(rest, [] | [b',', ..]).then_some(Cow::Borrowed(digits))
}

/// The text of the member that begins here, if one does.
fn member_at(line: &[u8], start: usize) -> Option<&[u8]> {
    let (before, member) = line.split_at_checked(start)?;
    let is_start = before.iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
    if is_start.is_some_and(|byte| *byte != b',') {
        return None;
    }
    member.split(|byte| *byte == b',').next()
}

/// The value of a member, if it is well-formed, and that of the organisation.
fn org_id_of(member: &[u8]) -> Option<Cow<'_, [u8]>> {
    let member = BaggageMember::parse(member).ok()?;
    (member.key() == ORG_ID).then(|| into_bytes(member.value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsc(arrived: ArrivedLine) -> DynamicSamplingContext {
        let position = "771a43a4192642f0b136d5159a501700-b72fa28504b07285".parse().unwrap();
        ArrivedBaggage::from(arrived).dsc(&position).clone()
    }

    #[test]
    fn the_organisation_is_the_one_of_the_dynamic_sampling_context() {
        let table: &[(&[&[u8]], Option<&str>)] = &[
            (&[], None),
            (&[b"sentry-org_id=1"], Some("1")),
            (&[b"a=1,sentry-org_id=1,b=2"], Some("1")),
            (&[b"a=1 ,\t sentry-org_id = 1 ;p, b=2"], Some("1")),
            (&[b"a=1", b"sentry-org_id=1", b"b=2"], Some("1")),
            (&[b"sentry-org_id=1,sentry-org_id=2"], Some("2")),
            (&[b"sentry-org_id=1", b"sentry-org_id=%zz"], Some("1")),
            (&[b"sentry-org_id=1,sentry-org_id="], None),
            (&[b"sentry-org_id=%31%32"], Some("12")),
            (&[b"xsentry-org_id=1"], None),
            (&[b"x sentry-org_id=1"], None),
            (&[b"a=sentry-org_id=1"], None),
            (&[b"a=1;sentry-org_id=1"], None),
            (&[b"sentry-org_idx=1"], None),
            (&[b"sentry-org_id"], None),
            (&[b"sentry-org_id=1\xff"], None),
            (&[b"Sentry-Org_Id=1"], None),
        ];
        for (lines, expected) in table {
            let arrived = ArrivedLine::read(lines.iter().copied());
            let shown: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
            let expected_bytes = expected.map(str::as_bytes);
            assert_eq!(arrived.org_id().as_deref(), expected_bytes, "{shown:?}");
            assert_eq!(dsc(arrived).org_id().as_deref(), *expected, "{shown:?}");
        }
    }

    #[test]
    fn an_organisation_that_is_left_out_for_a_limit_is_none() {
        let others =
            |count: usize| (0..count).map(|n| format!("sentry-k{n}=v,")).collect::<String>();
        let long = |blanks: usize| {
            let value = format!("x{}x", " ".repeat(blanks));
            format!("sentry-k=v,sentry-org_id=1,sentry-k={value}")
        };
        for (line, expected) in [
            (others(63) + "sentry-org_id=1", Some("1")),
            (others(64) + "sentry-org_id=1", None),
            (others(64) + "sentry-k0=v,sentry-org_id=1", None),
            (format!("sentry-org_id=2,{}sentry-org_id=1", others(64)), Some("1")),
            // Three bytes for each blank.
            (long(2_700), Some("1")),
            (long(2_725), None),
        ] {
            let arrived = ArrivedLine::read([line.as_bytes()]);
            let expected_bytes = expected.map(str::as_bytes);
            assert_eq!(arrived.org_id().as_deref(), expected_bytes, "{line}");
            assert_eq!(dsc(arrived).org_id().as_deref(), expected, "{line}");
        }
    }
}
