//! The baggage of a trace that is continued, as it came.

use std::borrow::Cow;
use std::sync::{LazyLock, OnceLock};

use memchr::memmem::Finder;

use crate::dsc::DynamicSamplingContext;
use crate::wire::{Baggage, BaggageMember, lines_that_count};

/// Baggage that is kept as bytes, and looked into only when something is asked that it has to answer: many
/// requests call nobody, and a decision that came along needs nothing of it.
#[derive(Debug)]
pub(crate) struct ArrivedBaggage {
    /// One line, of all.
    line: Box<[u8]>,
    dsc: OnceLock<DynamicSamplingContext>,
}

/// The one item that every request is asked for.
const ORG_ID: &str = "sentry-org_id";

/// What is looked for: without the prefix, which all items have and which would stop the search at each.
const NAME: &str = "org_id";

impl ArrivedBaggage {
    /// Keeps as much of the lines as counts.
    pub(crate) fn new<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut lines = lines_that_count(lines);
        let first = lines.next().unwrap_or_default();
        let line = match lines.next() {
            None => first.into(),
            Some(second) => {
                let mut all = [first, second].join(&b',');
                for line in lines {
                    all.push(b',');
                    all.extend_from_slice(line);
                }
                all.into()
            }
        };
        Self { line, dsc: OnceLock::new() }
    }

    /// The dynamic sampling context in it.
    pub(crate) fn dsc(&self) -> &DynamicSamplingContext {
        self.dsc.get_or_init(|| DynamicSamplingContext::from_baggage([&*self.line]))
    }

    /// What [`DynamicSamplingContext::org_id`] says, without a look at anything else.
    pub(crate) fn org_id(&self) -> Option<Cow<'_, str>> {
        static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NAME));
        let values = FINDER.find_iter(&self.line).filter_map(|name| {
            let start = name.checked_sub(ORG_ID.len() - NAME.len())?;
            org_id_of(self.member_at(start)?)
        });
        let last = values.last()?;
        if !self.is_far_from_the_limits() {
            return self.dsc().org_id();
        }
        Some(last).filter(|id| !id.is_empty())
    }

    /// Whether no item can be left out for being one too many, or too long once it is tidy.
    fn is_far_from_the_limits(&self) -> bool {
        const SHORTEST: usize = "sentry-a=,".len();
        // A tidy list is three times as long at the most.
        const BYTES: usize = Baggage::MAX_BYTES / 3;
        let is_comma = |byte: &&u8| **byte == b',';
        self.line.len() < Baggage::MAX_MEMBERS * SHORTEST
            || self.line.len() < BYTES
                && self.line.iter().filter(is_comma).count() < Baggage::MAX_MEMBERS
    }

    /// The text of the member that begins here, if one does.
    fn member_at(&self, start: usize) -> Option<&[u8]> {
        let (before, member) = self.line.split_at_checked(start)?;
        let is_start = before.iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
        if is_start.is_some_and(|byte| *byte != b',') {
            return None;
        }
        member.split(|byte| *byte == b',').next()
    }
}

/// The value of a member, if it is well-formed, and that of the organisation.
fn org_id_of(member: &[u8]) -> Option<Cow<'_, str>> {
    let behind_key = member.strip_prefix(ORG_ID.as_bytes());
    if let Some([b'=', digits @ ..]) = behind_key
        && digits.iter().all(u8::is_ascii_digit)
    {
        // A number, as all SDKs write it, has nothing in it to tidy or to decode.
        return std::str::from_utf8(digits).ok().map(Cow::Borrowed);
    }
    let member = BaggageMember::parse(member).ok()?;
    (member.key() == ORG_ID).then(|| member.value())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let arrived = ArrivedBaggage::new(lines.iter().copied());
            let shown: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
            assert_eq!(arrived.org_id().as_deref(), *expected, "{shown:?}");
            assert_eq!(arrived.dsc().org_id().as_deref(), *expected, "{shown:?}");
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
            let arrived = ArrivedBaggage::new([line.as_bytes()]);
            assert_eq!(arrived.org_id().as_deref(), expected, "{line}");
            assert_eq!(arrived.dsc().org_id().as_deref(), expected, "{line}");
        }
    }
}
