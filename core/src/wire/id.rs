//! Trace ids and span ids.
//!
//! Both are `Copy` values over fixed arrays. Neither can be all zero, which Sentry and
//! [W3C Trace Context](https://www.w3.org/TR/trace-context-2/#trace-id) call invalid.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{ascii, hex};

/// Why a text or an array is not an id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdError {
    /// The length of the text is not the number of digits of the id.
    Length {
        /// Hex digits that the id has.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// A byte is not a hex digit.
    Digit {
        /// Offset of the byte, from 0.
        position: usize,
    },
    /// All digits are zero.
    Zero,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, found } => {
                write!(f, "an id of {expected} hex digits was expected, {found} bytes were found")
            }
            Self::Digit { position } => write!(f, "the byte at {position} is not a hex digit"),
            Self::Zero => f.write_str("an id must not be all zero"),
        }
    }
}

impl Error for IdError {}

/// Returns the fault of a text that is not this number of hex digits.
#[cold]
fn text_error(text: &[u8], expected: usize) -> IdError {
    if text.len() != expected {
        return IdError::Length { expected, found: text.len() };
    }
    let position = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or_default();
    IdError::Digit { position }
}

/// Defines an id. The two ids differ in their length and in how a random one is made.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $number:ty, $bytes:literal, $digits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Hex digits of the text form.
            pub const DIGITS: usize = $digits;

            /// Returns the id with these bytes.
            ///
            /// # Errors
            ///
            /// [`IdError::Zero`] if all bytes are zero.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Result<Self, IdError> {
                match <$number>::from_ne_bytes(bytes) {
                    0 => Err(IdError::Zero),
                    _ => Ok(Self(bytes)),
                }
            }

            /// Returns the bytes, most significant first.
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0
            }

            /// Reads the text form. Upper case digits are read as well.
            ///
            /// # Errors
            ///
            /// A text of another length, with another character, or with only zeros.
            #[inline]
            pub fn parse(text: &[u8]) -> Result<Self, IdError> {
                let bytes = match text.as_chunks() {
                    (pairs, []) => pairs.try_into().ok().and_then(hex::decode),
                    _ => None,
                };
                bytes.map_or_else(|| Err(text_error(text, $digits)), Self::from_bytes)
            }

            /// Writes the text form, in lower case, into `buffer`.
            #[inline]
            pub fn encode<'b>(&self, buffer: &'b mut [u8; $digits]) -> &'b str {
                hex::encode(&self.0, buffer);
                ascii(buffer)
            }

            #[inline]
            pub(crate) fn encode_into(&self, text: &mut [u8]) {
                hex::encode(&self.0, text);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.encode(&mut [0; $digits]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text.as_bytes())
            }
        }
    };
}

id! {
    /// The id of a trace: 16 bytes, written as 32 hex digits.
    ///
    /// As in [`sentry-trace`](https://develop.sentry.dev/sdk/foundations/trace-propagation/) and W3C's
    /// [`traceparent`](https://www.w3.org/TR/trace-context-2/#trace-id). Never all zeros.
    ///
    /// ```
    /// use tracehop::TraceId;
    ///
    /// let id: TraceId = "771a43a4192642f0b136d5159a501700".parse()?;
    /// assert_eq!(id.to_string(), "771a43a4192642f0b136d5159a501700");
    /// assert_ne!(TraceId::random(), TraceId::random());
    /// # Ok::<(), tracehop::IdError>(())
    /// ```
    TraceId, u128, 16, 32
}

id! {
    /// The id of a span in a trace: 8 bytes, written as 16 hex digits.
    ///
    /// As in [`sentry-trace`](https://develop.sentry.dev/sdk/foundations/trace-propagation/) and W3C's
    /// [`traceparent`](https://www.w3.org/TR/trace-context-2/#parent-id). Never all zeros.
    ///
    /// ```
    /// use tracehop::SpanId;
    ///
    /// let id: SpanId = "b72fa28504b07285".parse()?;
    /// assert_eq!(id.to_string(), "b72fa28504b07285");
    /// # Ok::<(), tracehop::IdError>(())
    /// ```
    SpanId, u64, 8, 16
}

impl TraceId {
    /// Makes a random id: a version 4 UUID
    /// ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-4)), as in all Sentry SDKs.
    pub fn random() -> Self {
        Self(Uuid::new_v4().into_bytes())
    }
}

impl SpanId {
    /// Makes a random id.
    pub fn random() -> Self {
        loop {
            // Each half of a version 4 UUID has fixed bits, at different places. Combined, all 64 are random.
            let (high, low) = Uuid::new_v4().as_u64_pair();
            if let Ok(id) = Self::from_bytes((high ^ low).to_be_bytes()) {
                return id;
            }
        }
    }
}

impl From<TraceId> for Uuid {
    fn from(id: TraceId) -> Self {
        Self::from_bytes(id.0)
    }
}

impl TryFrom<Uuid> for TraceId {
    type Error = IdError;

    /// Returns the id with the UUID's bytes.
    fn try_from(uuid: Uuid) -> Result<Self, IdError> {
        Self::from_bytes(uuid.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_round_trip_through_their_text() {
        for text in ["0123456789abcdeffedcba9876543210", "00000000000000000000000000000001"] {
            assert_eq!(text.parse::<TraceId>().unwrap().to_string(), text);
        }
        assert_eq!("00f067aa0ba902b7".parse::<SpanId>().unwrap().to_string(), "00f067aa0ba902b7");
    }

    #[test]
    fn upper_case_reads_and_lower_case_is_written() {
        let id: SpanId = "00F067AA0BA902B7".parse().unwrap();
        assert_eq!(id.to_string(), "00f067aa0ba902b7");
    }

    #[test]
    fn errors_name_the_fault_and_its_place() {
        let table: &[(&str, IdError)] = &[
            ("", IdError::Length { expected: 16, found: 0 }),
            ("00f067aa0ba902b", IdError::Length { expected: 16, found: 15 }),
            ("00f067aa0ba902b77", IdError::Length { expected: 16, found: 17 }),
            ("00f067aa0ba902bg", IdError::Digit { position: 15 }),
            (" 0f067aa0ba902b7", IdError::Digit { position: 0 }),
            ("00f067aa0ba902é", IdError::Digit { position: 14 }),
            ("0000000000000000", IdError::Zero),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<SpanId>().as_ref(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn every_byte_in_every_place_is_checked() {
        let valid = *b"00f067aa0ba902b7";
        for position in 0..valid.len() {
            for byte in 0..=u8::MAX {
                let mut text = valid;
                text[position] = byte;
                let read = SpanId::parse(&text);
                if byte.is_ascii_hexdigit() {
                    let written = read.unwrap().to_string();
                    assert_eq!(written.as_bytes(), text.to_ascii_lowercase(), "{byte}");
                } else {
                    assert_eq!(read, Err(IdError::Digit { position }), "{byte}");
                }
            }
        }
    }

    #[test]
    fn ids_sort_like_their_text() {
        let (small, large) = ("00f067aa0ba902b7", "01f067aa0ba902b7");
        assert!(small.parse::<SpanId>().unwrap() < large.parse::<SpanId>().unwrap());
    }

    #[test]
    fn trace_ids_convert_to_uuids_and_back() {
        let id = TraceId::random();
        assert_eq!(TraceId::try_from(Uuid::from(id)), Ok(id));
        assert_eq!(Uuid::from(id).simple().to_string(), id.to_string());
        assert_eq!(TraceId::try_from(Uuid::nil()), Err(IdError::Zero));
    }

    #[test]
    fn every_bit_of_a_random_span_id_varies() {
        let ids: Vec<u64> =
            (0..256).map(|_| u64::from_be_bytes(SpanId::random().to_bytes())).collect();
        assert_eq!(ids.iter().fold(0, |bits, id| bits | id), u64::MAX);
        assert_eq!(ids.iter().fold(u64::MAX, |bits, id| bits & id), 0);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn ids_respect_padding() {
        let id: SpanId = "00f067aa0ba902b7".parse().unwrap();
        assert_eq!(format!("{id:>18}"), "  00f067aa0ba902b7");
    }
}
