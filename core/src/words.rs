//! What one machine word does to eight bytes at once.

/// The same byte eight times.
pub(crate) const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Where a byte stands in a text, from the start.
///
/// For texts of some hundred bytes with the byte in every few dozens of them, where a search that begins anew for
/// each costs more than it finds.
#[derive(Debug, Clone)]
pub(crate) struct Positions<'a> {
    words: std::slice::Iter<'a, [u8; 8]>,
    rest: &'a [u8],
    wanted: u64,
    /// Where the word begins that is looked at.
    start: usize,
    /// The top bit of each byte of it that is the one wanted, the first byte lowest.
    found: u64,
}

impl<'a> Positions<'a> {
    pub(crate) fn new(text: &'a [u8], byte: u8) -> Self {
        let (words, rest) = text.as_chunks();
        // One word back, as each step begins with going on by one.
        let start = 0_usize.wrapping_sub(8);
        Self { words: words.iter(), rest, wanted: each(byte), start, found: 0 }
    }

    fn matches(&self, word: [u8; 8]) -> u64 {
        let difference = u64::from_le_bytes(word) ^ self.wanted;
        // Adding carries into the top bit of every byte that has another bit, and never further.
        let others = (difference & each(0x7f)) + each(0x7f);
        !(others | difference | each(0x7f))
    }
}

impl Iterator for Positions<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            self.start = self.start.wrapping_add(8);
            self.found = match self.words.next() {
                Some(word) => self.matches(*word),
                None => {
                    let rest = std::mem::take(&mut self.rest);
                    if rest.is_empty() {
                        return None;
                    }
                    // The bytes that fill the word up are not looked for.
                    let mut word = [0; 8];
                    word[..rest.len()].copy_from_slice(rest);
                    self.matches(word)
                }
            };
        }
        let first = self.found.trailing_zeros() as usize / 8;
        self.found &= self.found - 1;
        Some(self.start + first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_a_plain_search() {
        // Neighbours of the byte in value are where such arithmetic goes wrong.
        let bytes = [b',', b'-', b'+', b'x', 0xac, 0xad, 0xff, 0x00, b','];
        for length in 0..=40_usize {
            for seed in 0..200_usize {
                let text: Vec<u8> = (0..length)
                    .map(|n| bytes[(seed * 31 + n * n * 7 + n * seed) % bytes.len()])
                    .collect();
                let plain = text.iter().enumerate().filter(|(_, byte)| **byte == b',');
                let plain: Vec<usize> = plain.map(|(at, _)| at).collect();
                assert_eq!(Positions::new(&text, b',').collect::<Vec<_>>(), plain, "{text:?}");
            }
        }
    }
}
