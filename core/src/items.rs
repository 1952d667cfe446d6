//! Gathers the items of a dynamic sampling context from header lines.

use crate::wire::{
    Baggage, BaggageMember, BaggageMembers, lines_that_count, own_key, plain_line, plain_members,
};

/// The members that are ours, each name once.
pub(crate) fn gather<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Baggage {
    let mut items = Items::default();
    for line in lines_that_count(lines) {
        items.baggage.reserve(line.len());
        match plain_line(line) {
            Some(line) => items.push_line(line),
            None => {
                for member in BaggageMembers::new(line).flatten() {
                    items.push(member);
                }
            }
        }
    }
    items.finish()
}

/// A bit for the name of an item, from what tells names apart: their length and their last two characters. The
/// factor is one by which none of the names that SDKs write shares its bit with another.
fn name_bit(key: &str) -> u64 {
    let end = key.as_bytes().last_chunk::<2>().map_or(0, |end| u16::from_le_bytes(*end));
    1 << ((key.len() + usize::from(end) * 43 / 128) % 64)
}

/// A list in the making.
struct Items<'a> {
    baggage: Baggage,
    /// Where each item begins in the list's text.
    starts: [u16; Baggage::MAX_MEMBERS],
    /// A bit for each name that is in the list, which other names may share: most names are new, and are not
    /// looked for.
    names: u64,
    /// How many items are in the list or about to be.
    noted: usize,
    /// Items that came again, by their place, with what they are to be.
    replaced: Vec<(usize, BaggageMember<'a>)>,
}

impl Default for Items<'_> {
    fn default() -> Self {
        Self {
            baggage: Baggage::new(),
            starts: [0; Baggage::MAX_MEMBERS],
            names: 0,
            noted: 0,
            replaced: Vec::new(),
        }
    }
}

impl<'a> Items<'a> {
    /// Adds the items in a [plain line](plain_line). Those that follow each other are added as one text.
    fn push_line(&mut self, line: &'a str) {
        let (mut run, mut members) = (0..0, 0);
        let mut start = 0;
        for text in plain_members(line) {
            let end = start + text.len();
            if let Some(key) = own_key(text) {
                let may_be_known = self.names & name_bit(key) != 0;
                let is_next = members != 0 && run.end + 1 == start;
                if !is_next || may_be_known {
                    self.push_run(&line[run], members);
                    (run, members) = (start..start, 0);
                }
                if may_be_known && let Some(place) = self.place(key) {
                    self.replaced.push((place, BaggageMember::from_tidy(text)));
                } else {
                    self.note(key, start - run.start);
                    run.end = end;
                    members += 1;
                }
            }
            start = end + 1;
        }
        self.push_run(&line[run], members);
    }

    fn push_run(&mut self, run: &str, members: usize) {
        if members != 0 {
            self.baggage.push_plain(run, members);
        }
        self.noted = self.baggage.len();
    }

    fn push(&mut self, member: BaggageMember<'a>) {
        if member.sentry_name().is_none() || member.max_len() > Baggage::MAX_BYTES {
            return;
        }
        if self.names & name_bit(member.key()) != 0
            && let Some(place) = self.place(member.key())
        {
            self.replaced.push((place, member));
        } else {
            self.note(member.key(), 0);
            // A list at its limit takes no more.
            let _ = self.baggage.push_member(&member);
            self.noted = self.baggage.len();
        }
    }

    /// Remembers an item that is about to be added, so many bytes behind what is not added yet.
    fn note(&mut self, key: &str, offset: usize) {
        self.names |= name_bit(key);
        let bytes = self.baggage.as_str().len();
        let start = offset + if bytes == 0 { 0 } else { bytes + 1 };
        if let Some(noted) = self.starts.get_mut(self.noted) {
            // Limits are far below what the type holds.
            *noted = u16::try_from(start).unwrap_or_default();
        }
        self.noted += 1;
    }

    fn place(&self, key: &str) -> Option<usize> {
        let text = self.baggage.as_str();
        self.starts[..self.baggage.len()].iter().position(|start| {
            let item = text.get(usize::from(*start)..).unwrap_or_default();
            item.strip_prefix(key).is_some_and(|rest| rest.starts_with('='))
        })
    }

    fn finish(self) -> Baggage {
        if self.replaced.is_empty() {
            return self.baggage;
        }
        let mut items: Vec<BaggageMember<'_>> = self.baggage.members().collect();
        for (place, member) in self.replaced {
            items[place] = member;
        }
        let mut baggage = Baggage::with_capacity(items.iter().map(|item| item.max_len() + 1).sum());
        for item in &items {
            if baggage.push_member(item).is_err() {
                break;
            }
        }
        baggage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_sdks_write_have_each_a_bit_of_its_own() {
        let keys = [
            "sentry-trace_id",
            "sentry-public_key",
            "sentry-sample_rate",
            "sentry-sample_rand",
            "sentry-sampled",
            "sentry-release",
            "sentry-environment",
            "sentry-transaction",
            "sentry-org_id",
            "sentry-replay_id",
            "sentry-user_segment",
        ];
        let bits = keys.iter().fold(0, |bits, key| bits | name_bit(key));
        assert_eq!(bits.count_ones() as usize, keys.len());
    }
}
