use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::{IdError, SpanId, TraceId, ascii, trim_blanks};

/// `traceparent` header value, defined in
/// [W3C Trace Context, level 2](https://www.w3.org/TR/trace-context-2/#traceparent-header)
///
/// Reads every version except `ff`, as level 2 says, and writes version `00`. Blanks around the value make it
/// malformed.
///
/// # Grammar
///
/// ```text
/// traceparent = version "-" trace-id "-" parent-id "-" trace-flags
/// version     = 2HEXDIGLC   ; "00" when written, never "ff"
/// trace-id    = 32HEXDIGLC  ; not all zero
/// parent-id   = 16HEXDIGLC  ; not all zero
/// trace-flags = 2HEXDIGLC   ; bit 0: sampled, bit 1: random trace id
/// ```
///
/// # Example values
///
/// * `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`
/// * `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00`
///
/// # Example
///
/// ```
/// use tracehop::wire::Traceparent;
///
/// let value = Traceparent::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")?;
/// assert!(value.sampled);
/// # Ok::<(), tracehop::wire::TraceparentError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Traceparent {
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// The span that made the request: the receiver's parent.
    pub parent_id: SpanId,
    /// Flag bit 0. SDKs leave it unset both for "not sampled" and for "deferred".
    pub sampled: bool,
    /// Flag bit 1: the trace id is random, which a service must hand on.
    pub random_trace_id: bool,
}

/// Why a `traceparent` value is malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceparentError {
    /// The length is wrong for the version.
    Length {
        /// Length of the value in bytes.
        found: usize,
    },
    /// Two parts are not separated by `-`.
    Separator {
        /// Offset of the byte, from 0.
        position: usize,
    },
    /// A digit of version, ids or flags is not one of `0`-`9`, `a`-`f`.
    Digit {
        /// Offset of the byte, from 0.
        position: usize,
    },
    /// The version is `ff`.
    Version,
    /// The trace id is malformed.
    TraceId(IdError),
    /// The parent id is malformed.
    ParentId(IdError),
    /// More than one value was given.
    Several,
}

impl fmt::Display for TraceparentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => {
                write!(f, "a traceparent value of version 00 has 55 characters, {found} were found")
            }
            Self::Separator { position } => {
                write!(f, "a `-` was expected at byte {position} of the traceparent value")
            }
            Self::Digit { position } => {
                write!(
                    f,
                    "the byte at {position} of the traceparent value is not a lower case hex digit"
                )
            }
            Self::Version => f.write_str("version ff of the traceparent value is forbidden"),
            Self::TraceId(_) => f.write_str("the trace id of the traceparent value is malformed"),
            Self::ParentId(_) => f.write_str("the parent id of the traceparent value is malformed"),
            Self::Several => f.write_str("more than one traceparent value was given"),
        }
    }
}

impl Error for TraceparentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TraceId(error) | Self::ParentId(error) => Some(error),
            _ => None,
        }
    }
}

impl Traceparent {
    /// Length in bytes of a value of version `00`.
    pub const LEN: usize = 55;

    /// Makes a value from its parts. [`random_trace_id`](Self::random_trace_id) is not set.
    pub const fn new(trace_id: TraceId, parent_id: SpanId, sampled: bool) -> Self {
        Self { trace_id, parent_id, sampled, random_trace_id: false }
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Everything outside of the grammar.
    pub fn parse(value: &[u8]) -> Result<Self, TraceparentError> {
        let Some((head, rest)) = value.split_at_checked(Self::LEN) else {
            return Err(TraceparentError::Length { found: value.len() });
        };
        // `TraceId::parse` and `SpanId::parse` also read upper case digits, which a traceparent must not have.
        let is_lower = head.iter().fold(true, |lower, byte| lower & !byte.is_ascii_uppercase());
        let separators = [head[2], head[35], head[52]] == [b'-'; 3];
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = [head[0], head[1], head[53], head[54]].into_iter().all(is_digit);
        if !(is_lower && separators && digits) {
            return Err(first_error(head));
        }
        let trace_id = TraceId::parse(&head[3..35]);
        let parent_id = SpanId::parse(&head[36..52]);
        match (&head[..2], rest) {
            (b"ff", _) => return Err(TraceparentError::Version),
            (_, []) => {}
            (b"00", _) => return Err(TraceparentError::Length { found: value.len() }),
            (_, [b'-', ..]) => {}
            _ => return Err(TraceparentError::Separator { position: Self::LEN }),
        }
        if matches!(
            (&trace_id, &parent_id),
            (Err(IdError::Digit { .. }), _) | (_, Err(IdError::Digit { .. }))
        ) {
            return Err(first_error(head));
        }
        Ok(Self {
            trace_id: trace_id.map_err(TraceparentError::TraceId)?,
            parent_id: parent_id.map_err(TraceparentError::ParentId)?,
            // Bits 0 and 1 of the last digit.
            sampled: matches!(head[54], b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f'),
            random_trace_id: matches!(
                head[54],
                b'2' | b'3' | b'6' | b'7' | b'a' | b'b' | b'e' | b'f'
            ),
        })
    }

    /// Reads the value of header lines. More than one line is an error, even if they are equal. Empty lines count as
    /// absent.
    ///
    /// Returns `None` if there is no line, or if all are empty.
    ///
    /// # Errors
    ///
    /// [`TraceparentError::Several`] for more than one line, and the errors of [`parse`](Self::parse).
    pub fn parse_lines<'a>(
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, TraceparentError> {
        let mut lines = lines.into_iter().filter(|line| !trim_blanks(line).is_empty());
        match (lines.next(), lines.next()) {
            (None, _) => Ok(None),
            (Some(line), None) => Self::parse(line).map(Some),
            (Some(_), Some(_)) => Err(TraceparentError::Several),
        }
    }

    /// Writes the value, of version `00`, into `buffer`.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; Self::LEN]) -> &'b str {
        buffer[..3].copy_from_slice(b"00-");
        self.trace_id.encode_into(&mut buffer[3..35]);
        buffer[35] = b'-';
        self.parent_id.encode_into(&mut buffer[36..52]);
        let flags = u8::from(self.sampled) | u8::from(self.random_trace_id) << 1;
        buffer[52..].copy_from_slice(&[b'-', b'0', b'0' + flags]);
        ascii(buffer)
    }
}

/// Finds the first byte outside of the grammar.
fn first_error(head: &[u8]) -> TraceparentError {
    let wrong = |(position, byte): (usize, &u8)| match (position, byte) {
        (2 | 35 | 52, b'-') => None,
        (2 | 35 | 52, _) => Some(TraceparentError::Separator { position }),
        (_, b'0'..=b'9' | b'a'..=b'f') => None,
        _ => Some(TraceparentError::Digit { position }),
    };
    head.iter()
        .enumerate()
        .find_map(wrong)
        .unwrap_or(TraceparentError::Length { found: head.len() })
}

impl FromStr for Traceparent {
    type Err = TraceparentError;

    fn from_str(value: &str) -> Result<Self, TraceparentError> {
        Self::parse(value.as_bytes())
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; Self::LEN]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

    #[test]
    fn version_00_round_trips() {
        for (flags, sampled, random) in
            [("00", false, false), ("01", true, false), ("02", false, true), ("03", true, true)]
        {
            let text = format!("00-{IDS}-{flags}");
            let value: Traceparent = text.parse().unwrap();
            assert_eq!((value.sampled, value.random_trace_id), (sampled, random));
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn only_bit_0_of_the_flags_means_sampled() {
        for (flags, sampled) in
            [("03", true), ("02", false), ("ff", true), ("fe", false), ("0b", true), ("10", false)]
        {
            assert_eq!(
                format!("00-{IDS}-{flags}").parse::<Traceparent>().unwrap().sampled,
                sampled
            );
        }
    }

    #[test]
    fn later_versions_may_be_longer_after_a_separator() {
        assert!(format!("cc-{IDS}-01").parse::<Traceparent>().is_ok());
        assert!(format!("cc-{IDS}-01-what-the-future-holds").parse::<Traceparent>().is_ok());
        assert_eq!(
            format!("cc-{IDS}-01.what").parse::<Traceparent>(),
            Err(TraceparentError::Separator { position: 55 })
        );
    }

    #[test]
    fn errors_name_the_fault_and_its_place() {
        use TraceparentError as E;
        let table: &[(&str, TraceparentError)] = &[
            ("", E::Length { found: 0 }),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", E::Length { found: 54 }),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", E::Length { found: 56 }),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", E::Version),
            ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", E::Digit { position: 4 }),
            ("0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", E::Digit { position: 1 }),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0.", E::Digit { position: 54 }),
            (
                "00-0af7651916cd43dd8448eb211c80319c b7ad6b7169203331-01",
                E::Separator { position: 35 },
            ),
            (" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", E::Digit { position: 0 }),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", E::TraceId(IdError::Zero)),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", E::ParentId(IdError::Zero)),
        ];
        for (value, error) in table {
            assert_eq!(value.parse::<Traceparent>().as_ref(), Err(error), "{value}");
        }
        let cause = |error: &TraceparentError| error.source().map(ToString::to_string);
        assert_eq!(cause(&E::ParentId(IdError::Zero)), Some(IdError::Zero.to_string()));
        assert_eq!(cause(&E::Several), None);
        assert!(E::Length { found: 54 }.to_string().ends_with("has 55 characters, 54 were found"));
    }

    #[test]
    fn two_lines_are_malformed_even_if_equal() {
        let line = format!("00-{IDS}-01");
        let lines = [line.as_bytes(), line.as_bytes()];
        assert_eq!(Traceparent::parse_lines(lines), Err(TraceparentError::Several));
        assert!(Traceparent::parse_lines([lines[0]]).unwrap().is_some());
        assert!(Traceparent::parse_lines([b"", lines[0], b" "]).unwrap().is_some());
        for none in [&[][..], &[&b""[..], b"\t"]] {
            assert_eq!(Traceparent::parse_lines(none.iter().copied()), Ok(None));
        }
    }
}
