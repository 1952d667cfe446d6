//! Hexadecimal digits of ids and flags.

/// The value of each byte as a hex digit of either case, [`NO_DIGIT`] for all others.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[DIGITS[value] as usize] = value as u8;
        values[DIGITS[value].to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    values
};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Has bits that no digit's value has.
const NO_DIGIT: u8 = 0xff;

/// Writes bytes as digits in lower case.
#[inline]
pub(crate) fn encode(bytes: &[u8], text: &mut [u8]) {
    for (byte, pair) in bytes.iter().zip(text.as_chunks_mut::<2>().0) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]];
    }
}

/// Reads pairs of digits, in upper or lower case; `None` if a byte is not a digit.
#[inline]
pub(crate) fn decode<const N: usize>(text: &[[u8; 2]; N]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut all_values = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(text) {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        all_values |= high | low;
        *byte = high << 4 | low;
    }
    (all_values < 16).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_bytes_reads_as_its_digits() {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        for [high, low] in (0..=u16::MAX).map(u16::to_ne_bytes) {
            let expected = digit(high).zip(digit(low)).map(|(high, low)| [(high * 16 + low) as u8]);
            assert_eq!(decode(&[[high, low]]), expected, "{high} {low}");
        }
    }

    #[test]
    fn every_byte_is_written_as_two_digits() {
        for byte in 0..=u8::MAX {
            let mut text = [0; 4];
            encode(&[byte, !byte], &mut text);
            assert_eq!(text, format!("{byte:02x}{:02x}", !byte).as_bytes());
        }
    }
}
