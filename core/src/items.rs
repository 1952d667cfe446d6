//! Gathers the items of a dynamic sampling context from header lines.

use std::ops::Range;

use crate::sampling::SampleRand;
use crate::wire::{Baggage, BaggageMember, BaggageMembers, is_plain, is_token_byte};
use crate::words::Positions;

/// The items in a line, each name once.
#[derive(Debug)]
pub(crate) struct Items {
    place: Place,
    /// The item `sentry-sample_rand`, if it was read on the way.
    pub(crate) sample_rand: Option<SampleRand>,
}

/// Where the items are.
#[derive(Debug)]
enum Place {
    /// Side by side in the line, and so many, as they are to be sent.
    Line { run: Range<usize>, members: usize },
    /// In a list of their own.
    List(Baggage),
}

impl Items {
    /// The members of a line that are ours.
    pub(crate) fn find(line: &[u8]) -> Self {
        match OwnMembers::find(line) {
            Some(own) => own.into_items(line),
            None => Self { place: Place::List(gather_one_by_one(line)), sample_rand: None },
        }
    }

    /// Where in the line the items are side by side, if there are any and they are, and how many.
    #[cfg(feature = "http")]
    pub(crate) fn run(&self) -> Option<(Range<usize>, usize)> {
        match &self.place {
            Place::Line { run, members } if *members != 0 => Some((run.clone(), *members)),
            _ => None,
        }
    }

    /// The list of what was found in this line.
    ///
    /// The line becomes the list, if it can: it is not copied.
    pub(crate) fn into_list(self, mut line: Vec<u8>) -> Baggage {
        match self.place {
            Place::Line { run, members } => {
                line.truncate(run.end);
                line.drain(..run.start);
                plain_list(line, members)
            }
            Place::List(list) => list,
        }
    }
}

/// The list with the text of a [plain](is_plain) line, and so many members.
pub(crate) fn plain_list(line: Vec<u8>, members: usize) -> Baggage {
    // A plain line is ASCII: the default is never taken, and needs no panic.
    Baggage::from_tidy(String::from_utf8(line).unwrap_or_default(), members)
}

/// The members in a [plain](is_plain) line that are ours.
#[derive(Debug)]
struct OwnMembers {
    /// Those that follow each other, as one range of the line: the last such run.
    run: Range<usize>,
    /// The runs before it, if others are in between.
    more: Vec<Range<usize>>,
    members: usize,
    sample_rand: Option<SampleRand>,
}

impl OwnMembers {
    /// `None` if that takes a closer look: the line is not plain, a name comes again, or there are too many.
    fn find(line: &[u8]) -> Option<Self> {
        // Places in the line are kept in 16 bits.
        if line.len() > usize::from(u16::MAX) || !is_plain(line) {
            return None;
        }
        let (mut run, mut more) = (0..0, Vec::new());
        let (mut members, mut sample_rand) = (0, None);
        let mut names = 0;
        let mut starts = [0_u16; Baggage::MAX_MEMBERS];
        let mut commas = Positions::new(line, b',');
        let mut start = 0;
        while start <= line.len() {
            let end = commas.next().unwrap_or(line.len());
            if let Some(key) = own_key(line, start) {
                let name = name_bit(key);
                // Most names are new, and are not looked for.
                if names & name != 0 && is_among(key, line, starts.get(..members)?) {
                    return None;
                }
                names |= name;
                *starts.get_mut(members)? = start as u16;
                members += 1;
                if name == SAMPLE_RAND_BIT && key == SAMPLE_RAND.as_bytes() {
                    // What every trace that is continued is asked for.
                    sample_rand = SampleRand::parse_decimal(&line[start + key.len() + 1..]);
                }
                if start != run.end + 1 || members == 1 {
                    if members != 1 {
                        more.push(run.clone());
                    }
                    run.start = start;
                }
                run.end = end;
            }
            start = end + 1;
        }
        Some(Self { run, more, members, sample_rand })
    }

    fn into_items(self, line: &[u8]) -> Items {
        let Self { run, more, members, sample_rand } = self;
        let place = if more.is_empty() {
            Place::Line { run, members }
        } else {
            let runs = more.into_iter().chain([run]).filter_map(|run| line.get(run));
            Place::List(plain_list(runs.collect::<Vec<_>>().join(&b','), members))
        };
        Items { place, sample_rand }
    }
}

const SAMPLE_RAND: &str = "sentry-sample_rand";

const SAMPLE_RAND_BIT: u64 = name_bit(SAMPLE_RAND.as_bytes());

const PREFIX: &[u8; 7] = b"sentry-";

/// Whether one of the members that begin there has this key.
#[cold]
fn is_among(key: &[u8], line: &[u8], starts: &[u16]) -> bool {
    starts.iter().any(|start| {
        let behind_key =
            line.get(usize::from(*start)..).and_then(|member| member.strip_prefix(key));
        behind_key.is_some_and(|rest| rest.starts_with(b"="))
    })
}

/// The key of the member of ours that begins there in a [plain](is_plain) line, if it is well-formed.
#[inline]
fn own_key(line: &[u8], start: usize) -> Option<&[u8]> {
    let member = line.get(start..)?;
    if member.first_chunk() != Some(PREFIX) {
        return None;
    }
    // Neither goes on behind the member, as no name has a comma.
    let name_len = common_name_len(member).or_else(|| name_len(member))?;
    member.get(..PREFIX.len() + name_len)
}

/// How long the name is that stands behind the prefix, with a `=` behind it.
fn name_len(member: &[u8]) -> Option<usize> {
    let name = member.get(PREFIX.len()..)?;
    let len = name.iter().position(|byte| !is_token_byte(*byte))?;
    (len != 0 && name[len] == b'=').then_some(len)
}

/// The same for a name as SDKs write them, short and of small letters and `_`; `None` if it is not.
#[inline]
fn common_name_len(member: &[u8]) -> Option<usize> {
    const fn each(byte: u8) -> u128 {
        u128::from_ne_bytes([byte; 16])
    }
    let (_, name) = member.first_chunk::<{ PREFIX.len() + 16 }>()?.split_last_chunk::<16>()?;
    let text = u128::from_le_bytes(*name);
    // From `_` to `z` there is nothing that a name may not have. The text is ASCII: what is added carries into the top
    // bit of a byte, and never further.
    let is_small = (text + each(0x80 - b'_')) & !(text + each(0x7f - b'z'));
    let len = (!is_small & each(0x80)).trailing_zeros() as usize / 8;
    (len != 0 && name.get(len) == Some(&b'=')).then_some(len)
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
    fn names_that_sdks_write_are_common_ones() {
        for name in COMMON {
            let member = format!("sentry-{name}=a=b,sentry-c=");
            assert_eq!(common_name_len(member.as_bytes()), Some(name.len()), "{name}");
        }
    }

    #[test]
    fn a_common_name_is_a_name_whatever_byte_is_in_it() {
        for length in 0..=16 {
            for place in PREFIX.len()..PREFIX.len() + 17 {
                for byte in 0..0x80 {
                    let name = &b"_abcdefghijklmnz"[..length];
                    let mut member = [PREFIX, name, b"=a=b_____________"].concat();
                    member[place] = byte;
                    let len = common_name_len(&member);
                    let shown = String::from_utf8_lossy(&member);
                    assert!(len.is_none() || len == name_len(&member), "{shown}");
                }
            }
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
            let items = Items::find(line.as_bytes());
            let sample_rand = items.sample_rand;
            let baggage = items.into_list(line.into());
            assert_eq!(baggage, gather_one_by_one(line.as_bytes()), "{line}");
            let read = baggage.get(SAMPLE_RAND).and_then(|value| value.parse().ok());
            assert_eq!(sample_rand, read, "{line}");
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
