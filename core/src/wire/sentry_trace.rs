use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::trim_blanks;
use crate::hex;
use crate::id::{IdError, SpanId, TraceId};

/// `sentry-trace` header value, defined in
/// [Sentry's SDK specification](https://develop.sentry.dev/sdk/foundations/trace-propagation/)
///
/// Says which trace a request belongs to, which span made it, and whether that span's service decided to
/// sample the trace. Upper case digits and blanks around the value are read, and never written.
///
/// # Grammar
///
/// ```text
/// sentry-trace = trace-id "-" span-id [ "-" sampled ]
/// trace-id     = 32HEXDIG   ; not all zero
/// span-id      = 16HEXDIG   ; not all zero
/// sampled      = "1" / "0"  ; absent: the decision is deferred to the next service
/// ```
///
/// # Example values
///
/// * `771a43a4192642f0b136d5159a501700-b72fa28504b07285-1`
/// * `771a43a4192642f0b136d5159a501700-b72fa28504b07285-0`
/// * `771a43a4192642f0b136d5159a501700-b72fa28504b07285`
///
/// # Example
///
/// ```
/// use tracehop::wire::SentryTrace;
///
/// let value = SentryTrace::parse(b"771a43a4192642f0b136d5159a501700-b72fa28504b07285-1")?;
/// assert_eq!(value.sampled, Some(true));
/// assert_eq!(value.to_string(), "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1");
/// # Ok::<(), tracehop::wire::SentryTraceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SentryTrace {
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// The span that made the request: the receiver's parent.
    pub span_id: SpanId,
    /// The sender's sampling decision; `None` if it is deferred.
    pub sampled: Option<bool>,
}

/// Why a `sentry-trace` value is malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SentryTraceError {
    /// The value is not as long as one without (49 bytes) or with (51 bytes) a decision.
    Length {
        /// Bytes that were given, without blanks around them.
        found: usize,
    },
    /// There is no `-` where one part ends and the next begins.
    Separator {
        /// Offset of the byte, from 0, after leading blanks.
        position: usize,
    },
    /// The first part is not a trace id. Positions in the cause count from where the id begins.
    TraceId(IdError),
    /// The second part is not a span id. Positions in the cause count from where the id begins.
    SpanId(IdError),
    /// The third part is neither `1` nor `0`.
    Sampled,
    /// Several values were given, and they differ.
    Conflict,
}

impl fmt::Display for SentryTraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => {
                write!(f, "a sentry-trace value has 49 or 51 characters, {found} were found")
            }
            Self::Separator { position } => {
                write!(f, "a `-` was expected at byte {position} of the sentry-trace value")
            }
            Self::TraceId(_) => f.write_str("the trace id of the sentry-trace value is malformed"),
            Self::SpanId(_) => f.write_str("the span id of the sentry-trace value is malformed"),
            Self::Sampled => {
                f.write_str("the decision of the sentry-trace value is neither 1 nor 0")
            }
            Self::Conflict => {
                f.write_str("several sentry-trace values were given, and they differ")
            }
        }
    }
}

impl Error for SentryTraceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TraceId(error) | Self::SpanId(error) => Some(error),
            _ => None,
        }
    }
}

impl SentryTrace {
    /// Bytes of the longest value: one with a decision.
    pub const MAX_LEN: usize = 51;

    /// The value that says this.
    pub const fn new(trace_id: TraceId, span_id: SpanId, sampled: Option<bool>) -> Self {
        Self { trace_id, span_id, sampled }
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Anything that the grammar does not have. A value that is only a decision, which old SDKs sent, is
    /// one of these.
    #[inline]
    pub fn parse(value: &[u8]) -> Result<Self, SentryTraceError> {
        Self::parse_exact(value).map_or_else(|| Self::parse_by_parts(value), Ok)
    }

    /// Reads a value without blanks around it, as almost all are; `None` if it is anything else.
    #[inline]
    fn parse_exact(value: &[u8]) -> Option<Self> {
        let (trace_id, rest) = value.split_first_chunk::<32>()?;
        let ([b'-'], rest) = rest.split_first_chunk()? else { return None };
        let (span_id, rest) = rest.split_first_chunk::<16>()?;
        let sampled = match rest {
            [] => None,
            b"-1" => Some(true),
            b"-0" => Some(false),
            _ => return None,
        };
        // Both ids in one go, as long texts are read much faster than short ones.
        let mut digits = [[0; 2]; 24];
        digits[..16].copy_from_slice(trace_id.as_chunks().0);
        digits[16..].copy_from_slice(span_id.as_chunks().0);
        let bytes = hex::decode(&digits)?;
        let (trace_id, span_id) = bytes.split_first_chunk()?;
        Some(Self {
            trace_id: TraceId::from_bytes(*trace_id).ok()?,
            span_id: SpanId::from_bytes(span_id.try_into().ok()?).ok()?,
            sampled,
        })
    }

    /// Reads any value, part by part, to say which part is malformed.
    #[cold]
    fn parse_by_parts(value: &[u8]) -> Result<Self, SentryTraceError> {
        let value = trim_blanks(value);
        if value.len() != 49 && value.len() != 51 {
            return Err(SentryTraceError::Length { found: value.len() });
        }
        for position in [32, 49] {
            if value.get(position).is_some_and(|byte| *byte != b'-') {
                return Err(SentryTraceError::Separator { position });
            }
        }
        Ok(Self {
            trace_id: TraceId::parse(&value[..32]).map_err(SentryTraceError::TraceId)?,
            span_id: SpanId::parse(&value[33..49]).map_err(SentryTraceError::SpanId)?,
            sampled: match value.get(50) {
                None => None,
                Some(b'1') => Some(true),
                Some(b'0') => Some(false),
                Some(_) => return Err(SentryTraceError::Sampled),
            },
        })
    }

    /// Reads the values of several header lines: equal ones are one.
    ///
    /// `None` if there is no line.
    ///
    /// # Errors
    ///
    /// [`SentryTraceError::Conflict`] if two lines differ, and those of [`parse`](Self::parse).
    pub fn parse_lines<'a>(
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, SentryTraceError> {
        let mut lines = lines.into_iter();
        let Some(first) = lines.next() else {
            return Ok(None);
        };
        let value = Self::parse(first)?;
        for line in lines {
            if Self::parse(line)? != value {
                return Err(SentryTraceError::Conflict);
            }
        }
        Ok(Some(value))
    }

    /// Writes the value into a buffer of the caller's.
    #[inline]
    pub fn encode<'b>(&self, buffer: &'b mut [u8; Self::MAX_LEN]) -> &'b str {
        // Only ASCII is written: the default is never taken, and needs no panic.
        std::str::from_utf8(self.encode_bytes(buffer)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn encode_bytes<'b>(&self, buffer: &'b mut [u8; Self::MAX_LEN]) -> &'b [u8] {
        self.trace_id.encode_into(&mut buffer[..32]);
        buffer[32] = b'-';
        self.span_id.encode_into(&mut buffer[33..49]);
        let len = match self.sampled {
            None => 49,
            Some(sampled) => {
                buffer[49] = b'-';
                buffer[50] = if sampled { b'1' } else { b'0' };
                51
            }
        };
        &buffer[..len]
    }
}

impl FromStr for SentryTrace {
    type Err = SentryTraceError;

    fn from_str(value: &str) -> Result<Self, SentryTraceError> {
        Self::parse(value.as_bytes())
    }
}

impl fmt::Display for SentryTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; Self::MAX_LEN]))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for SentryTrace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; Self::MAX_LEN]))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for SentryTrace {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
    const DEFERRED: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285";
    const NOT_SAMPLED: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-0";

    #[test]
    fn each_decision_is_read_and_written_back() {
        for (end, sampled) in [("", None), ("-1", Some(true)), ("-0", Some(false))] {
            let text = format!("{DEFERRED}{end}");
            let value: SentryTrace = text.parse().unwrap();
            assert_eq!(value.sampled, sampled);
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn blanks_and_upper_case_are_read_and_not_written() {
        for value in [
            " \t771a43a4192642f0b136d5159a501700-b72fa28504b07285-1\t ",
            "771A43A4192642F0B136D5159A501700-B72FA28504B07285-1",
        ] {
            assert_eq!(value.parse::<SentryTrace>().unwrap().to_string(), SAMPLED);
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        use SentryTraceError as E;
        let table: &[(&[u8], SentryTraceError)] = &[
            (b"", E::Length { found: 0 }),
            (b"1", E::Length { found: 1 }),
            (b"771a43a4192642f0b136d5159a501700", E::Length { found: 32 }),
            (b"771a43a4192642f0b136d5159a501700-b72fa28504b07285-", E::Length { found: 50 }),
            (b"771a43a4192642f0b136d5159a501700-b72fa28504b07285-11", E::Length { found: 52 }),
            (b"771a43a4192642f0b136d5159a501700_b72fa28504b07285", E::Separator { position: 32 }),
            (b"771a43a4192642f0b136d5159a501700-b72fa28504b07285_1", E::Separator { position: 49 }),
            (b"771a43a4192642f0b136d5159a501700-b72fa28504b07285-2", E::Sampled),
            (
                b"771a43a4192642f0b136d5159a50170x-b72fa28504b07285",
                E::TraceId(IdError::Digit { position: 31 }),
            ),
            (b"00000000000000000000000000000000-b72fa28504b07285", E::TraceId(IdError::Zero)),
            (b"771a43a4192642f0b136d5159a501700-0000000000000000-1", E::SpanId(IdError::Zero)),
            (
                b"771a43a4192642f0b136d5159a501700-b72fa28504b0728\xff",
                E::SpanId(IdError::Digit { position: 15 }),
            ),
            (b"771a43a4192642f0b136d5159a501700-b72fa28504b07285\n", E::Length { found: 50 }),
        ];
        for (value, error) in table {
            let shown = String::from_utf8_lossy(value);
            assert_eq!(SentryTrace::parse(value).as_ref(), Err(error), "{shown}");
        }
    }

    #[test]
    fn every_byte_in_every_place_is_read_as_part_by_part() {
        for valid in [SAMPLED, DEFERRED, NOT_SAMPLED] {
            for place in 0..valid.len() {
                for byte in 0..=u8::MAX {
                    let mut value = valid.as_bytes().to_vec();
                    value[place] = byte;
                    let by_parts = SentryTrace::parse_by_parts(&value);
                    let exact = SentryTrace::parse_exact(&value);
                    // Blanks at the ends leave a value of another length.
                    assert_eq!(exact, by_parts.ok(), "{byte} at {place}");
                }
            }
        }
    }

    #[test]
    fn equal_lines_are_one_and_different_lines_a_conflict() {
        let table: &[(&[&str], Result<Option<&str>, SentryTraceError>)] = &[
            (&[], Ok(None)),
            (&[SAMPLED], Ok(Some(SAMPLED))),
            (&[SAMPLED, SAMPLED, SAMPLED], Ok(Some(SAMPLED))),
            (&[SAMPLED, DEFERRED], Err(SentryTraceError::Conflict)),
            (&[SAMPLED, "1"], Err(SentryTraceError::Length { found: 1 })),
        ];
        for (lines, expected) in table {
            let read = SentryTrace::parse_lines(lines.iter().map(|line| line.as_bytes()));
            assert_eq!(
                read.map(|value| value.map(|v| v.to_string())),
                expected.clone().map(|v| v.map(str::to_owned))
            );
        }
    }
}
