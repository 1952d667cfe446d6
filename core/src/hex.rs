//! Hex digits, eight of text and four bytes at a time.

use crate::words::each;

/// The text of eight digits, each a number below 16 in a byte of its own.
const fn digits_to_text(digits: u64) -> u64 {
    // 10 and more have bit 4 set when 6 is added; `a` is 39 behind where `:` follows `9`.
    let letters = ((digits + each(6)) >> 4) & each(1);
    digits + each(b'0') + letters * (b'a' - b'0' - 10) as u64
}

/// Four bytes as eight digits of text.
const fn encode_word(bytes: [u8; 4]) -> [u8; 8] {
    // Moves the halves, quarters and eighths apart, until each digit has a byte.
    let mut digits = u32::from_be_bytes(bytes) as u64;
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    digits_to_text(digits).to_be_bytes()
}

/// Writes bytes as digits in lower case.
#[inline]
pub(crate) fn encode(bytes: &[u8], text: &mut [u8]) {
    for (bytes, text) in bytes.as_chunks::<4>().0.iter().zip(text.as_chunks_mut::<8>().0) {
        *text = encode_word(*bytes);
    }
}

/// The same byte twice.
const fn both(byte: u8) -> u16 {
    u16::from_ne_bytes([byte; 2])
}

/// Reads pairs of digits, in upper or lower case; `None` if one is not a digit.
///
/// Both digits of a pair are worked on at once, and every pair in the same way whatever the ones before it were: of
/// 16 pairs or more the compiler takes eight at a time.
#[inline]
pub(crate) fn decode<const N: usize>(text: &[[u8; 2]; N]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut wrong = 0;
    for (byte, pair) in bytes.iter_mut().zip(text) {
        let pair = u16::from_le_bytes(*pair);
        // Bit 6 tells letters from decimal digits. Bit 5 makes them lower case.
        let letters = pair & both(0x40);
        let lower = pair | letters >> 1;
        // `a` is to be 10, and is 39 behind where `:` follows `9`.
        let numbers = lower.wrapping_sub(both(b'0') + (letters >> 6) * (b'a' - b'0' - 10) as u16);
        // With no number above 15 nothing was borrowed between the two, and nothing is carried below. Then the only
        // characters that are no digits are those behind `9`, which are no letters and above 9, and the two in front
        // of `A` and `a`, which count as letters and are not. What is above 9 has bit 4 set when 6 is added.
        let is_letter_differs = numbers.wrapping_add(both(6)) ^ letters >> 2;
        wrong |= numbers & both(0xf0) | is_letter_differs & both(0x10);
        // The first digit is in the low byte, and counts sixteen times as much.
        *byte = (numbers << 4 | numbers >> 8) as u8;
    }
    (wrong == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(pair: [u8; 2]) -> Option<u8> {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        u8::try_from(high? * 16 + low?).ok()
    }

    #[test]
    fn every_pair_is_read_as_its_digits_one_by_one() {
        for pair in (0..=u16::MAX).map(u16::to_ne_bytes) {
            assert_eq!(decode(&[pair]), plain(pair).map(|byte| [byte]), "{pair:?}");
        }
    }

    #[test]
    fn every_byte_in_every_place_of_a_long_text_is_read_as_alone() {
        let text = *b"771a43A4192642f0B136d5159a501700b72FA28504b07285";
        for place in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut text = text;
                text[place] = byte;
                let pairs: &[[u8; 2]; 24] = text.as_chunks().0.try_into().unwrap();
                let expected: Option<Vec<u8>> = pairs.iter().copied().map(plain).collect();
                assert_eq!(decode(pairs).map(Vec::from), expected, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn every_byte_is_written_as_its_digits_one_by_one() {
        for byte in 0..=u8::MAX {
            let mut text = [0; 8];
            encode(&[byte, !byte, 0, byte], &mut text);
            let expected = format!("{byte:02x}{:02x}00{byte:02x}", !byte);
            assert_eq!(text, expected.as_bytes());
        }
    }
}
