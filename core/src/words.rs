//! What one machine word does to eight bytes at once.

/// The same byte eight times.
pub(crate) const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Bytes that are looked at together for whether there is anything in them.
const BLOCK: usize = 16;

/// Where a byte stands in a text, from the start.
///
/// For texts of some hundred bytes with the byte in every few dozens of them, where a search that begins anew for
/// each costs more than it finds.
#[derive(Debug, Clone)]
pub(crate) struct Positions<'a> {
    blocks: std::slice::Iter<'a, [u8; BLOCK]>,
    rest: &'a [u8],
    wanted: u8,
    /// Where the block begins that is looked at.
    start: usize,
    /// A bit for each byte of it that is the one wanted, the first byte lowest.
    found: u32,
}

impl<'a> Positions<'a> {
    #[inline]
    pub(crate) fn new(text: &'a [u8], byte: u8) -> Self {
        let (blocks, rest) = text.as_chunks();
        // One block back, as each step begins with going on by one.
        let start = 0_usize.wrapping_sub(BLOCK);
        Self { blocks: blocks.iter(), rest, wanted: byte, start, found: 0 }
    }

    fn matches(&self, block: &[u8; BLOCK]) -> u32 {
        let (words, _) = block.as_chunks();
        let bits = |word: Option<&[u8; 8]>| word.map_or(0, |word| matches(*word, self.wanted));
        bits(words.first()) | bits(words.get(1)) << 8
    }
}

/// A bit for each byte of a word that is the one wanted, the first byte lowest.
fn matches(word: [u8; 8], wanted: u8) -> u32 {
    let difference = u64::from_le_bytes(word) ^ each(wanted);
    // Adding carries into the top bit of every byte that has another bit, and never further.
    let others = (difference & each(0x7f)) + each(0x7f);
    let found = !(others | difference | each(0x7f));
    // Each of the eight bits, a byte apart, is moved to where the top byte has room for it; what else the product
    // has is below.
    ((found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

impl Iterator for Positions<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            self.start = self.start.wrapping_add(BLOCK);
            match self.blocks.next() {
                // All bytes of a block in the same way, so that the compiler looks at them at once: most have none.
                Some(block) => {
                    if block.iter().fold(false, |found, byte| found | (*byte == self.wanted)) {
                        self.found = self.matches(block);
                    }
                }
                None => {
                    let rest = std::mem::take(&mut self.rest);
                    if rest.is_empty() {
                        return None;
                    }
                    // The bytes that fill the block up are not looked for.
                    let mut block = [0; BLOCK];
                    block[..rest.len()].copy_from_slice(rest);
                    self.found = self.matches(&block);
                }
            }
        }
        let first = self.found.trailing_zeros() as usize;
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
