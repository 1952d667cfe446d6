//! Gathers the items of a dynamic sampling context from header lines.

use std::ops::Range;

use crate::wire::{Baggage, BaggageMember, BaggageMembers, is_plain, is_token_byte};
use crate::words::Positions;

/// The items of a list, each name once.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) baggage: Baggage,
    /// Where the item `sentry-sample_rand` begins, if that was seen on the way.
    pub(crate) sample_rand: Option<usize>,
}

impl Items {
    /// The members of a line that are ours.
    ///
    /// The line becomes the list, if it can: it is not copied.
    pub(crate) fn gather(line: Vec<u8>) -> Self {
        match OwnMembers::find(&line) {
            Some(own) => own.take_from(line),
            None => Self { baggage: gather_one_by_one(&line), sample_rand: None },
        }
    }
}

/// The members in a [plain](is_plain) line that are ours.
#[derive(Debug, Default)]
struct OwnMembers {
    /// Those that follow each other, as one range of the line.
    run: Range<usize>,
    /// More such runs, if others are in between.
    more: Vec<Range<usize>>,
    members: usize,
    /// Where the one with this name begins in a list of only these.
    sample_rand: Option<usize>,
}

impl OwnMembers {
    /// `None` if that takes a closer look: the line is not plain, a name comes again, or there are too many.
    fn find(line: &[u8]) -> Option<Self> {
        if !is_plain(line) {
            return None;
        }
        let mut own = Self::default();
        let mut starts = [0; Baggage::MAX_MEMBERS];
        let mut names = 0;
        // Of the list of only these.
        let mut length = 0;
        let mut start = 0;
        let mut commas = Positions::new(line, b',');
        while start <= line.len() {
            let end = commas.next().unwrap_or(line.len());
            if let Some(key) = own_key(line, start..end) {
                let name = name_bit(key);
                let is_known = |start: &usize| {
                    let known = line[*start..].strip_prefix(key);
                    known.is_some_and(|rest| rest.starts_with(b"="))
                };
                // Most names are new, and are not looked for.
                if names & name != 0 && starts.iter().take(own.members).any(is_known) {
                    return None;
                }
                names |= name;
                *starts.get_mut(own.members)? = start;
                length += usize::from(own.members != 0);
                if name == SAMPLE_RAND_BIT && key == SAMPLE_RAND.as_bytes() {
                    own.sample_rand = Some(length);
                }
                own.add(start..end);
                length += end - start;
            }
            start = end + 1;
        }
        Some(own)
    }

    fn add(&mut self, member: Range<usize>) {
        let last = self.more.last_mut().unwrap_or(&mut self.run);
        if self.members == 0 {
            *last = member;
        } else if last.end + 1 == member.start {
            last.end = member.end;
        } else {
            self.more.push(member);
        }
        self.members += 1;
    }

    fn take_from(self, mut line: Vec<u8>) -> Items {
        let Self { run, more, members, sample_rand } = self;
        if more.is_empty() {
            line.truncate(run.end);
            line.drain(..run.start);
        } else {
            let runs = [run].into_iter().chain(more).filter_map(|run| line.get(run));
            line = runs.collect::<Vec<_>>().join(&b',');
        }
        // A plain line is ASCII: the default is never taken, and needs no panic.
        let text = String::from_utf8(line).unwrap_or_default();
        Items { baggage: Baggage::from_tidy(text, members), sample_rand }
    }
}

/// The item that is asked for in every trace that is continued.
const SAMPLE_RAND: &str = "sentry-sample_rand";

const SAMPLE_RAND_BIT: u64 = name_bit(SAMPLE_RAND.as_bytes());

const PREFIX: &[u8; 7] = b"sentry-";

/// The key of a member of ours in a [plain](is_plain) line, if it is well-formed.
fn own_key(line: &[u8], member: Range<usize>) -> Option<&[u8]> {
    let (prefix, rest) = line.get(member.start..)?.split_first_chunk()?;
    if prefix != PREFIX {
        return None;
    }
    let name = rest.get(..name_len(rest)?)?;
    let end = member.start + PREFIX.len() + name.len();
    // What was found may be behind the member's end.
    let is_key = end < member.end
        && (is_common(name) || !name.is_empty() && name.iter().copied().all(is_token_byte));
    if is_key { line.get(member.start..end) } else { None }
}

/// Where the first `=` is.
fn name_len(text: &[u8]) -> Option<usize> {
    if let Some(start) = text.first_chunk::<16>() {
        // Adding carries into the top bit of every byte but those that have become zero, and never further, as
        // the text is ASCII.
        const EQUALS: u128 = u128::from_ne_bytes([b'='; 16]);
        const SEVEN_BITS: u128 = u128::from_ne_bytes([0x7f; 16]);
        let found = !((u128::from_le_bytes(*start) ^ EQUALS) + SEVEN_BITS) & !SEVEN_BITS;
        if found != 0 {
            return Some(found.trailing_zeros() as usize / 8);
        }
    }
    text.iter().position(|byte| *byte == b'=')
}

/// Whether this is a name that SDKs write, and so has no character that names do not have.
fn is_common(name: &[u8]) -> bool {
    matches!(
        name,
        b"trace_id"
            | b"public_key"
            | b"sample_rate"
            | b"sample_rand"
            | b"sampled"
            | b"release"
            | b"environment"
            | b"transaction"
            | b"org_id"
            | b"replay_id"
    )
}

/// A bit for the key of an item, from what tells names apart: their length and their last two characters. The
/// factor is one by which none of the names that SDKs write shares its bit with another.
const fn name_bit(key: &[u8]) -> u64 {
    let end = match key.last_chunk::<2>() {
        Some(end) => u16::from_le_bytes(*end) as usize,
        None => 0,
    };
    1 << ((key.len() + end * 43 / 128) % 64)
}

/// The members of any line that are ours.
fn gather_one_by_one(line: &[u8]) -> Baggage {
    let mut list = Baggage::with_capacity(line.len());
    let mut members: Vec<BaggageMember<'_>> = Vec::new();
    let mut is_replaced = false;
    for member in BaggageMembers::new(line).flatten() {
        if member.sentry_name().is_none() || member.max_len() > Baggage::MAX_BYTES {
            continue;
        }
        if let Some(known) = members.iter_mut().find(|known| known.key() == member.key()) {
            *known = member;
            is_replaced = true;
        } else if list.push_member(&member).is_ok() {
            members.push(member);
        }
    }
    if is_replaced {
        list = Baggage::with_capacity(members.iter().map(|member| member.max_len() + 1).sum());
        for member in &members {
            if list.push_member(member).is_err() {
                break;
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: [&str; 10] = [
        "trace_id",
        "public_key",
        "sample_rate",
        "sample_rand",
        "sampled",
        "release",
        "environment",
        "transaction",
        "org_id",
        "replay_id",
    ];

    #[test]
    fn names_that_sdks_write_have_each_a_bit_of_its_own() {
        let names = COMMON.iter().chain(&["user_segment"]);
        let bits = names.fold(0, |bits, name| bits | name_bit(format!("sentry-{name}").as_bytes()));
        assert_eq!(bits.count_ones() as usize, COMMON.len() + 1);
    }

    #[test]
    fn names_that_sdks_write_are_keys() {
        for name in COMMON {
            assert!(is_common(name.as_bytes()), "{name}");
            assert!(format!("sentry-{name}=").parse::<Baggage>().is_ok(), "{name}");
        }
    }

    #[test]
    fn a_plain_line_is_gathered_as_one_by_one() {
        let table = [
            "",
            ",",
            ",,sentry-a=1,,",
            "sentry-a=1",
            "x=1,sentry-a=1,sentry-b=2",
            "sentry-a=1,x=1,y=2,sentry-b=2,z=3,sentry-sample_rand=0.5",
            "sentry-sample_rand=0.5,x=1,sentry-a=1",
            "x=1,sentry-a=1,sentry-sample_rand=0.5,sentry-b=2,x=2",
            "sentry-,sentry-=1,sentry-a,sentry-b=",
            "sentry-a,b=1",
            "sentry-a(b=1,sentry-c=1",
            "sentry-a-name-that-is-longer-than-a-word=1,sentry-a-name-that-is-longer=",
            "sentry-a=1=2=3,Sentry-b=1,sentry_c=1",
            "sentry-a=%41,sentry-%41=1",
            "sentry-a=1,sentry-ab=2,sentry-b=3",
        ];
        for line in table {
            assert!(OwnMembers::find(line.as_bytes()).is_some(), "{line}");
            let Items { baggage, sample_rand } = Items::gather(line.into());
            assert_eq!(baggage, gather_one_by_one(line.as_bytes()), "{line}");
            let place = baggage.as_str().find("sentry-sample_rand=");
            assert_eq!(sample_rand, place, "{line}");
        }
    }

    #[test]
    fn a_closer_look_is_taken_where_it_is_needed() {
        let members = |count: usize| {
            (0..count).map(|n| format!("sentry-k{n}=v")).collect::<Vec<_>>().join(",")
        };
        for (line, is_needed) in [
            ("sentry-a=1,sentry-b=2,sentry-a=3", true),
            ("sentry-a=1, sentry-b=2", true),
            ("sentry-a=1;p", true),
            ("sentry-a=%C3%A9", true),
            ("sentry-a=\u{e9}", true),
            (&members(64), false),
            (&members(65), true),
        ] {
            assert_eq!(OwnMembers::find(line.as_bytes()).is_none(), is_needed, "{line}");
        }
    }
}
