//! Writes a `baggage` list within its limits, and cuts received lines off at them.

use super::baggage::{BaggageMember, BaggageMembers};

/// The largest number of members of a list, by the [W3C](https://www.w3.org/TR/baggage/#limits).
pub(super) const MAX_MEMBERS: usize = 64;

/// The largest number of bytes of a list, by the [W3C](https://www.w3.org/TR/baggage/#limits).
pub(super) const MAX_BYTES: usize = 8192;

/// A list that is being written, within the limits.
#[derive(Default)]
pub(crate) struct ListBuilder {
    pub(super) bytes: Vec<u8>,
    pub(super) members: usize,
}

impl ListBuilder {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes.min(MAX_BYTES)), members: 0 }
    }

    /// Returns the length of the text.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a member and returns whether it fits. The list stays as it was if not.
    #[inline]
    pub(crate) fn push(&mut self, member: &BaggageMember<'_>) -> bool {
        let start = self.start_member();
        member.write(&mut self.bytes);
        self.end_member(start)
    }

    #[inline]
    pub(super) fn start_member(&mut self) -> usize {
        let start = self.bytes.len();
        if start != 0 {
            self.bytes.push(b',');
        }
        start
    }

    #[inline]
    pub(super) fn end_member(&mut self, start: usize) -> bool {
        let fits = self.bytes.len() <= MAX_BYTES && self.members < MAX_MEMBERS;
        if fits {
            self.members += 1;
        } else {
            self.bytes.truncate(start);
        }
        fits
    }

    /// Whether the member that starts at an offset has this key.
    pub(crate) fn has_key_at(&self, start: usize, key: &[u8]) -> bool {
        let after_key = self.bytes.get(start..).and_then(|member| member.strip_prefix(key));
        after_key.is_some_and(|rest| rest.starts_with(b"="))
    }

    /// Replaces the member that starts at an offset, and returns by how many bytes the list grew. Returns `None`, and
    /// leaves the list as it was, if the new member does not fit.
    pub(crate) fn replace_at(&mut self, start: usize, member: &BaggageMember<'_>) -> Option<i16> {
        let mut new = Vec::new();
        member.write(&mut new);
        let old = self.bytes[start..].split(|byte| *byte == b',').next().map_or(0, <[u8]>::len);
        if self.bytes.len() - old + new.len() > MAX_BYTES {
            return None;
        }
        // Both are at most 8192 bytes long.
        let growth = new.len() as i16 - old as i16;
        self.bytes.splice(start..start + old, new);
        Some(growth)
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        BaggageMembers::new(&self.bytes).flatten().any(|member| member.raw_key() == key)
    }

    /// Returns the text and its number of members.
    #[expect(clippy::expect_used, reason = "an invariant of this module, which no input can break")]
    pub(super) fn into_parts(self) -> (String, usize) {
        let text = String::from_utf8(self.bytes).expect("every byte was checked as ASCII");
        (text, self.members)
    }
}

/// Cuts header lines off after the last whole member within [`MAX_BYTES`] bytes.
pub(crate) fn lines_within_limit<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> {
    let mut left = Some(MAX_BYTES);
    lines.into_iter().map_while(move |line| {
        let limit = left?;
        let whole = whole_members(line, limit);
        // A line that is cut is the last one. Others count with the comma that joins them to the next.
        left = if whole.len() == line.len() { limit.checked_sub(line.len() + 1) } else { None };
        Some(whole)
    })
}

/// Returns as many members of a line as `limit` bytes hold.
fn whole_members(line: &[u8], limit: usize) -> &[u8] {
    match line.get(..=limit) {
        None => line,
        // The byte at the limit is searched as well: a comma there means that the last member is whole.
        Some(start) => &line[..start.iter().rposition(|byte| *byte == b',').unwrap_or(0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_fits_up_to_the_limit() {
        for (bytes, growth) in [(100, Some(97)), (4_093, Some(4_090)), (4_094, None)] {
            let mut list = ListBuilder::default();
            let before = format!("a=1,b={}", "x".repeat(4_096));
            for member in BaggageMembers::new(before.as_bytes()).flatten() {
                assert!(list.push(&member));
            }
            let new = format!("a={}", "y".repeat(bytes - 2));
            let member = BaggageMembers::new(new.as_bytes()).next().unwrap().unwrap();
            assert_eq!(list.replace_at(0, &member), growth, "{bytes}");
            let after = if growth.is_some() { before.replace("a=1", &new) } else { before };
            assert_eq!(list.into_parts(), (after, 2), "{bytes}");
        }
    }
}
