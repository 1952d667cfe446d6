use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::{IdError, SpanId, TraceId, ascii, trim_blanks};

/// `sentry-trace` header value, defined in
/// [Sentry's SDK specification](https://develop.sentry.dev/sdk/foundations/trace-propagation/)
///
/// Names the trace that a request belongs to, the span that made the request, and the sampling decision of
/// that span's service. Upper case digits, blanks around the value, and a dash at the end without a decision, which
/// sentry-ruby sends, are read and never written.
///
/// # Grammar
///
/// ```text
/// sentry-trace = trace-id "-" span-id [ "-" [ sampled ] ]
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
    /// The value has neither 49 bytes (deferred), 50 bytes (deferred, with a dash) nor 51 bytes (with a decision).
    Length {
        /// Length of the value in bytes, without blanks around it.
        found: usize,
    },
    /// Two parts are not separated by `-`.
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
                write!(f, "a sentry-trace value has 49 to 51 characters, {found} were found")
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
    /// Length in bytes of the longest value, which has a decision.
    pub const MAX_LEN: usize = 51;

    /// Makes a value from its parts.
    pub const fn new(trace_id: TraceId, span_id: SpanId, sampled: Option<bool>) -> Self {
        Self { trace_id, span_id, sampled }
    }

    /// Reads a value. Blanks around it are ignored.
    ///
    /// # Errors
    ///
    /// Everything outside of the grammar. A value that is only a decision, as old SDKs sent it, is malformed too.
    pub fn parse(value: &[u8]) -> Result<Self, SentryTraceError> {
        let value = trim_blanks(value);
        if !(49..=51).contains(&value.len()) {
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

    /// Reads the values of header lines. Equal lines count as one, empty lines as absent.
    ///
    /// Returns `None` if there is no line, or if all are empty.
    ///
    /// # Errors
    ///
    /// [`SentryTraceError::Conflict`] if two lines differ, and those of [`parse`](Self::parse).
    pub fn parse_lines<'a>(
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, SentryTraceError> {
        let mut lines = lines.into_iter().filter(|line| !trim_blanks(line).is_empty());
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

    /// Writes the value into `buffer` and returns the part that it fills.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; Self::MAX_LEN]) -> &'b str {
        self.trace_id.encode_into(&mut buffer[..32]);
        buffer[32] = b'-';
        self.span_id.encode_into(&mut buffer[33..49]);
        let len = match self.sampled {
            None => 49,
            Some(sampled) => {
                buffer[49..].copy_from_slice(if sampled { b"-1" } else { b"-0" });
                51
            }
        };
        ascii(&buffer[..len])
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

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
    const DEFERRED: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285";
    const NOT_SAMPLED: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-0";

    #[test]
    fn every_decision_round_trips() {
        for (end, sampled) in [("", None), ("-1", Some(true)), ("-0", Some(false))] {
            let text = format!("{DEFERRED}{end}");
            let value: SentryTrace = text.parse().unwrap();
            assert_eq!(value.sampled, sampled);
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn blanks_and_upper_case_are_read() {
        for value in [
            " \t771a43a4192642f0b136d5159a501700-b72fa28504b07285-1\t ",
            "771A43A4192642F0B136D5159A501700-B72FA28504B07285-1",
        ] {
            assert_eq!(value.parse::<SentryTrace>().unwrap().to_string(), SAMPLED);
        }
    }

    #[test]
    fn a_dash_without_a_decision_is_deferred() {
        let value: SentryTrace = format!("{DEFERRED}-").parse().unwrap();
        assert_eq!(value.to_string(), DEFERRED);
    }

    #[test]
    fn errors_name_the_fault_and_its_place() {
        use SentryTraceError as E;
        let table: &[(&[u8], SentryTraceError)] = &[
            (b"", E::Length { found: 0 }),
            (b"1", E::Length { found: 1 }),
            (b"771a43a4192642f0b136d5159a501700", E::Length { found: 32 }),
            (b"771a43a4192642f0b136d5159a501700-b72fa28504b07285-11", E::Length { found: 52 }),
            (b"771a43a4192642f0b136d5159a501700_b72fa28504b07285", E::Separator { position: 32 }),
            (b"771a43a4192642f0b136d5159a501700-b72fa28504b072850", E::Separator { position: 49 }),
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
            (b"771a43a4192642f0b136d5159a501700-b72fa28504b07285\n", E::Separator { position: 49 }),
        ];
        for (value, error) in table {
            let shown = String::from_utf8_lossy(value);
            assert_eq!(SentryTrace::parse(value).as_ref(), Err(error), "{shown}");
        }
    }

    #[test]
    fn every_byte_in_every_place_is_checked() {
        for valid in [SAMPLED, DEFERRED, NOT_SAMPLED] {
            for place in 0..valid.len() {
                for byte in 0..=u8::MAX {
                    let mut value = valid.as_bytes().to_vec();
                    value[place] = byte;
                    let expected = match place {
                        32 | 49 => byte == b'-',
                        // Reading removes a blank, which leaves a dash without a decision.
                        50 => matches!(byte, b'0' | b'1' | b' ' | b'\t'),
                        _ => byte.is_ascii_hexdigit(),
                    };
                    let read = SentryTrace::parse(&value);
                    assert_eq!(read.is_ok(), expected, "{byte} at {place}");
                    if let Ok(read) = read {
                        let tidy = value.trim_ascii_end();
                        let tidy = tidy.strip_suffix(b"-").unwrap_or(tidy);
                        assert_eq!(read.to_string().as_bytes(), tidy.to_ascii_lowercase());
                    }
                }
            }
        }
    }

    #[test]
    fn equal_lines_count_once_and_different_lines_conflict() {
        let table: &[(&[&str], Result<Option<&str>, SentryTraceError>)] = &[
            (&[], Ok(None)),
            (&[SAMPLED], Ok(Some(SAMPLED))),
            (&[SAMPLED, SAMPLED, SAMPLED], Ok(Some(SAMPLED))),
            (&["", " \t"], Ok(None)),
            (&["", SAMPLED, ""], Ok(Some(SAMPLED))),
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
