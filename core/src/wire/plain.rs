//! Lists with nothing in them to tidy, which are nearly all that SDKs write.

use crate::words::Positions;

/// How many bytes are looked at together.
const BLOCK: usize = 16;

/// A block, and the two bytes behind it that may belong to a character encoded at its end.
const WINDOW: usize = BLOCK + 2;

/// Whether a line has nothing in it to tidy: no blanks, no properties, no character that lists do not have, and no
/// encoded one that is not ASCII. The members of such a line can be taken over as they are.
///
/// A line with a `!` is not plain either, though nothing is wrong with it: as nobody sends one, it is not told from
/// what is around it.
pub(crate) fn is_plain(line: &[u8]) -> bool {
    let mut look = Look::new();
    let mut rest = line;
    while let Some(window) = rest.first_chunk() {
        look.at(window);
        rest = &rest[BLOCK..];
    }
    // Fewer than a window: one or two blocks, filled up with what is in any line.
    let mut last = [b'x'; WINDOW + BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    for start in [0, BLOCK] {
        if let Some(window) = last[start..].first_chunk() {
            look.at(window);
        }
    }
    look.is_plain()
}

/// What was seen of a line. Bytes in the same place of their blocks are seen as one, in the same way for each place
/// and without a way out, so that the compiler looks at all of a block at once.
struct Look {
    least: [u8; BLOCK],
    greatest: [u8; BLOCK],
    /// All ones where there was something odd between the two.
    odd: [u8; BLOCK],
}

impl Look {
    fn new() -> Self {
        Self { least: [u8::MAX; BLOCK], greatest: [0; BLOCK], odd: [0; BLOCK] }
    }

    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "the same place in several arrays")]
    fn at(&mut self, window: &[u8; WINDOW]) {
        let mut is_encoded = false;
        for at in 0..BLOCK {
            let byte = window[at];
            self.least[at] = self.least[at].min(byte);
            self.greatest[at] = self.greatest[at].max(byte);
            self.odd[at] |= all_ones(byte == b';') | all_ones(byte == b'\\');
            is_encoded |= byte == b'%';
        }
        // Most blocks have none.
        if is_encoded {
            for at in 0..BLOCK {
                let [byte, high, low] = [window[at], window[at + 1], window[at + 2]];
                self.odd[at] |= all_ones(byte == b'%') & !is_ascii_digits(high, low);
            }
        }
    }

    fn is_plain(&self) -> bool {
        // Above `"`, and below the last of ASCII.
        self.least.iter().all(|byte| *byte > b'"')
            && self.greatest.iter().all(|byte| *byte <= b'~')
            && self.odd == [0; BLOCK]
    }
}

/// All ones, as the processor says "yes" of each byte of many.
#[inline(always)]
fn all_ones(yes: bool) -> u8 {
    u8::from(yes).wrapping_neg()
}

/// All ones if these are the two hex digits of an ASCII character.
#[inline(always)]
fn is_ascii_digits(high: u8, low: u8) -> u8 {
    let is_number = all_ones(low.wrapping_sub(b'0') < 10);
    let is_letter = all_ones((low | 0x20).wrapping_sub(b'a') < 6);
    all_ones(high.wrapping_sub(b'0') < 8) & (is_number | is_letter)
}

/// The texts between the commas of a plain line.
pub(crate) fn plain_members(line: &str) -> impl Iterator<Item = &str> {
    let mut commas = Positions::new(line.as_bytes(), b',');
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let comma = commas.next();
        next = comma.map(|comma| comma + 1);
        line.get(start..comma.unwrap_or(line.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Baggage, BaggageMembers};

    /// Whether to tidy a member changes nothing of it, which is what the quick look must never claim wrongly.
    fn is_tidy(line: &[u8]) -> bool {
        let is_well_formed = BaggageMembers::new(line).all(|member| member.is_ok());
        is_well_formed && Baggage::from_lines([line]).as_str().as_bytes() == line
    }

    #[test]
    fn every_byte_in_every_place_of_a_block_is_seen() {
        let plain = b"sentry-release=shop%401.4.0%2b7c3f,a=1,b=2".as_slice();
        assert!(is_plain(plain));
        for place in 0..plain.len() {
            for byte in 0..=u8::MAX {
                let mut line = plain.to_vec();
                line[place] = byte;
                let shown = String::from_utf8_lossy(&line).into_owned();
                if is_plain(&line) {
                    // Keys are for those who take members over to look at.
                    let values: Vec<_> = line.split(|byte| *byte == b',').collect();
                    let values = values.iter().map(|member| [b"k=".as_slice(), member].concat());
                    assert!(is_tidy(&values.collect::<Vec<_>>().join(&b',')), "{shown}");
                } else if is_tidy(&line) {
                    let is_other = line.contains(&b';') || line.contains(&b'!');
                    assert!(is_other || shown.contains('%'), "{shown}");
                }
            }
        }
    }

    #[test]
    fn an_encoded_character_is_seen_wherever_blocks_begin_and_end() {
        for before in 0..40 {
            for (end, plain) in [
                ("%41", true),
                ("%4a", true),
                ("%4F,x", true),
                ("%", false),
                ("%4", false),
                ("%4,x", false),
                ("%4gx", false),
                ("%G1", false),
                ("%80", false),
                ("%C3%A9", false),
                ("%41%4", false),
            ] {
                let line = "x".repeat(before) + end;
                assert_eq!(is_plain(line.as_bytes()), plain, "{line}");
            }
        }
    }
}
