use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::trim_blanks;

/// `tracestate` header value, defined in
/// [W3C Trace Context, level 2](https://www.w3.org/TR/trace-context-2/#tracestate-header)
///
/// Carries the state of other vendors beside a [`Traceparent`](super::Traceparent). The members are checked and handed
/// on unchanged, as one line without empty members.
///
/// # Grammar
///
/// ```text
/// tracestate = member *( OWS "," OWS member )         ; at most 32, some may be empty
/// member     = key "=" value
/// key        = ( lcalpha / DIGIT ) *255( lcalpha / DIGIT / "_" / "-" / "*" / "/" / "@" )
/// value      = 1*256( %x20-2B / %x2D-3C / %x3E-7E )   ; does not end with a space
/// ```
///
/// # Example values
///
/// * `congo=t61rcWkgMzE`
/// * `rojo=00f067aa0ba902b7,fw529a3039@dt=FfTw`
///
/// # Example
///
/// ```
/// use tracehop::wire::Tracestate;
///
/// let state: Tracestate = "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE".parse()?;
/// assert_eq!(state.as_str(), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
/// # Ok::<(), tracehop::wire::TracestateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tracestate {
    text: Box<str>,
}

/// Why a `tracestate` list is malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TracestateError {
    /// The list has more than 32 members.
    TooManyMembers,
    /// A member has no `=`.
    NoValue {
        /// Index of the member, from 0. Empty members are not counted.
        member: usize,
    },
    /// The key of a member has a character that keys do not have, or is too long.
    Key {
        /// Index of the member, from 0. Empty members are not counted.
        member: usize,
    },
    /// The value of a member is empty, has a character that values do not have, or is too long.
    Value {
        /// Index of the member, from 0. Empty members are not counted.
        member: usize,
    },
}

impl fmt::Display for TracestateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyMembers => {
                write!(f, "the tracestate list has more than {} members", Tracestate::MAX_MEMBERS)
            }
            Self::NoValue { member } => {
                write!(f, "member {member} of the tracestate list has no `=`")
            }
            Self::Key { member } => {
                write!(f, "the key of member {member} of the tracestate list is malformed")
            }
            Self::Value { member } => {
                write!(f, "the value of member {member} of the tracestate list is malformed")
            }
        }
    }
}

impl Error for TracestateError {}

impl Tracestate {
    /// The largest number of members.
    pub const MAX_MEMBERS: usize = 32;

    const MAX_PART: usize = 256;

    /// Reads the values of header lines. Several lines are one list.
    ///
    /// Returns `None` if there is no member.
    ///
    /// # Errors
    ///
    /// Everything outside of the grammar: one malformed member makes the whole list invalid.
    pub fn parse_lines<'a>(
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, TracestateError> {
        let mut text = String::new();
        let members = lines.into_iter().flat_map(|line| line.split(|byte| *byte == b','));
        let members = members.map(trim_blanks).filter(|member| !member.is_empty());
        for (member, bytes) in members.enumerate() {
            if member == Self::MAX_MEMBERS {
                return Err(TracestateError::TooManyMembers);
            }
            let (key, value) = bytes
                .iter()
                .position(|byte| *byte == b'=')
                .map(|at| (&bytes[..at], &bytes[at + 1..]))
                .ok_or(TracestateError::NoValue { member })?;
            if key.len() > Self::MAX_PART || !is_key(key) {
                return Err(TracestateError::Key { member });
            }
            if value.is_empty() || value.len() > Self::MAX_PART || !value.iter().all(is_value_byte)
            {
                return Err(TracestateError::Value { member });
            }
            if !text.is_empty() {
                text.push(',');
            }
            text.extend(bytes.iter().map(|byte| char::from(*byte)));
        }
        Ok((!text.is_empty()).then(|| Self { text: text.into() }))
    }

    /// Returns the list as one header value.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Level 2 allows `@` anywhere but first. Level 1 had a rule for its place.
fn is_key(key: &[u8]) -> bool {
    let is_key_byte =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    matches!(key, [b'a'..=b'z' | b'0'..=b'9', rest @ ..] if rest.iter().all(is_key_byte))
}

fn is_value_byte(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=')
}

impl FromStr for Tracestate {
    type Err = TracestateError;

    /// Reads one line. A line without a member is an error here: [`TracestateError::NoValue`].
    fn from_str(value: &str) -> Result<Self, TracestateError> {
        Self::parse_lines([value.as_bytes()])?.ok_or(TracestateError::NoValue { member: 0 })
    }
}

impl fmt::Display for Tracestate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Option<String>, TracestateError> {
        let read = Tracestate::parse_lines(lines.iter().map(|line| line.as_bytes()))?;
        Ok(read.map(|state| state.to_string()))
    }

    #[test]
    fn lines_are_one_list_without_empty_members() {
        let table: &[(&[&str], Option<&str>)] = &[
            (&[], None),
            (&["", " ,\t, "], None),
            (&["foo=1"], Some("foo=1")),
            (&["foo=1,", ",bar=2 ,\tbaz=3"], Some("foo=1,bar=2,baz=3")),
            (&["a=b c", "0tenant@sys*/_-=~!"], Some("a=b c,0tenant@sys*/_-=~!")),
            (&["a@b@c=1,a@=2"], Some("a@b@c=1,a@=2")),
        ];
        for (lines, expected) in table {
            assert_eq!(read(lines), Ok(expected.map(str::to_owned)), "{lines:?}");
        }
    }

    #[test]
    fn errors_name_the_member_and_its_part() {
        use TracestateError as E;
        let (longest, too_long) = ("z".repeat(256), "z".repeat(257));
        let table: &[(String, TracestateError)] = &[
            ("foo".into(), E::NoValue { member: 0 }),
            ("a=1,,foo".into(), E::NoValue { member: 1 }),
            ("FOO=1".into(), E::Key { member: 0 }),
            ("=1".into(), E::Key { member: 0 }),
            ("foo =1".into(), E::Key { member: 0 }),
            ("@foo=1".into(), E::Key { member: 0 }),
            ("-foo=1".into(), E::Key { member: 0 }),
            (format!("{too_long}=1"), E::Key { member: 0 }),
            ("foo=".into(), E::Value { member: 0 }),
            ("foo=a=b".into(), E::Value { member: 0 }),
            ("foo=a\tb".into(), E::Value { member: 0 }),
            ("foo=é".into(), E::Value { member: 0 }),
            (format!("{longest}={too_long}"), E::Value { member: 0 }),
        ];
        for (line, error) in table {
            assert_eq!(read(&[line]).as_ref(), Err(error), "{line}");
            let (E::NoValue { member } | E::Key { member } | E::Value { member }) = error else {
                continue;
            };
            let shown = error.to_string();
            assert!(shown.contains(&format!("member {member} of the tracestate")), "{shown}");
        }
        assert!(read(&[&format!("{longest}={longest}")]).is_ok());
    }

    #[test]
    fn more_than_32_members_are_an_error() {
        let members: Vec<String> = (0..32).map(|n| format!("k{n}=v")).collect();
        let full = members.join(",");
        assert_eq!(read(&[&full, ",,"]), Ok(Some(full.clone())));
        assert_eq!(read(&[&full, "k=v"]), Err(TracestateError::TooManyMembers));
    }
}
