//! `baggage`: the list, its members, and what is wrong with a member.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::trim_blanks;

/// `baggage` header value, defined in [W3C Baggage](https://www.w3.org/TR/baggage/)
///
/// A list of members in the order and with the text in which they came, tidied: no blanks around `,`, `;`
/// and `=`, no malformed members, no more than [`MAX_MEMBERS`](Self::MAX_MEMBERS) and
/// [`MAX_BYTES`](Self::MAX_BYTES). The text of a `Baggage` is printable ASCII without `"` and `\`, so that
/// it is a valid header value, and can stand in a quoted string.
///
/// # Grammar
///
/// ```text
/// baggage  = member *( OWS "," OWS member )
/// member   = key OWS "=" OWS value *( OWS ";" OWS property )
/// key      = token                      ; RFC 9110
/// value    = *baggage-octet             ; percent-encoded UTF-8
/// property = key [ OWS "=" OWS value ]
/// ```
///
/// A character that a value should have encoded, and that is harmless (a blank, `"`, `\`), is read, and
/// written encoded, since hand-made clients send such values and the other SDKs read them.
///
/// # Example values
///
/// * `sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rate=0.25`
/// * `userId=alice,isProduction=false;p1=x`
///
/// # Example
///
/// ```
/// use tracehop::wire::Baggage;
///
/// let mut baggage: Baggage = "userId = Am%C3%A9lie , isProduction=false".parse()?;
/// assert_eq!(baggage.get("userId").as_deref(), Some("Amélie"));
/// baggage.push("sentry-release", "shop@1.4.0")?;
/// assert_eq!(
///     baggage.as_str(),
///     "userId=Am%C3%A9lie,isProduction=false,sentry-release=shop%401.4.0"
/// );
/// # Ok::<(), tracehop::wire::BaggageError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Baggage {
    text: String,
    members: usize,
}

impl Baggage {
    /// Members that a list carries, the
    /// [W3C limit](https://www.w3.org/TR/baggage/#limits).
    pub const MAX_MEMBERS: usize = 64;

    /// Bytes that a list carries, the [W3C limit](https://www.w3.org/TR/baggage/#limits).
    pub const MAX_BYTES: usize = 8192;

    /// An empty list.
    pub const fn new() -> Self {
        Self { text: String::new(), members: 0 }
    }

    /// Reads the values of header lines, which are one list, and leaves out what is malformed or over the
    /// limits.
    ///
    /// Nothing behind the first [`MAX_BYTES`](Self::MAX_BYTES) is looked at. To learn what is wrong with a
    /// list, go through its [`Members`].
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut baggage = Self::new();
        for member in readable_members(lines) {
            if baggage.push_member(&member).is_err() {
                break;
            }
        }
        baggage
    }

    /// Adds a member, encoding its value.
    ///
    /// # Errors
    ///
    /// A key that is not a token, and a list that would exceed one of the limits; the list is as it was.
    pub fn push(&mut self, key: &str, value: &str) -> Result<(), BaggageError> {
        if key.is_empty() || !key.bytes().all(is_token_byte) {
            return Err(BaggageError { position: 0, kind: BaggageErrorKind::Key });
        }
        self.append(|text| {
            text.extend([key, "="]);
            text.extend(utf8_percent_encode(value, WRITTEN));
        })
    }

    /// Adds a member that was read from another list.
    ///
    /// # Errors
    ///
    /// A list that would exceed one of the limits; the list is as it was.
    pub fn push_member(&mut self, member: &Member<'_>) -> Result<(), BaggageError> {
        self.append(|text| member.write(text))
    }

    fn append(&mut self, write: impl FnOnce(&mut String)) -> Result<(), BaggageError> {
        let before = self.text.len();
        if before != 0 {
            self.text.push(',');
        }
        write(&mut self.text);
        if self.text.len() > Self::MAX_BYTES || self.members == Self::MAX_MEMBERS {
            self.text.truncate(before);
            return Err(BaggageError { position: before, kind: BaggageErrorKind::Limit });
        }
        self.members += 1;
        Ok(())
    }

    /// The members, in order.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        Members::new(self.text.as_bytes()).flatten()
    }

    /// The decoded value of the last member with this key, which is the one that counts.
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        self.members().filter(|member| member.key == key).last().map(|member| member.value())
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members
    }

    /// Whether there is no member. An empty list is not a header value: leave the header out.
    pub fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// The list, as one header value.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Baggage {
    type Err = BaggageError;

    /// Reads one line, of which every member must be well-formed and within the limits.
    fn from_str(value: &str) -> Result<Self, BaggageError> {
        let mut baggage = Self::new();
        for member in Members::new(value.as_bytes()) {
            baggage.push_member(&member?)?;
        }
        Ok(baggage)
    }
}

/// A member of a `baggage` list, as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    key: &'a str,
    value: &'a str,
    properties: &'a str,
}

impl<'a> Member<'a> {
    /// The key.
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// The key without `sentry-`, if it begins so, in lower case: then it is an item of the
    /// [dynamic sampling context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/).
    pub fn sentry_name(&self) -> Option<&'a str> {
        self.key.strip_prefix("sentry-")
    }

    /// The value as received, still encoded.
    pub fn raw_value(&self) -> &'a str {
        self.value
    }

    /// The value, decoded.
    pub fn value(&self) -> Cow<'a, str> {
        percent_decode_str(self.value).decode_utf8_lossy()
    }

    /// What stands between the value and the end of the member, without the first `;`. Empty if there are
    /// no properties.
    pub fn properties(&self) -> &'a str {
        self.properties
    }

    fn parse(bytes: &'a [u8]) -> Result<Self, BaggageErrorKind> {
        let (head, properties) = split_at_byte(bytes, b';');
        let (key, Some(value)) = split_at_byte(head, b'=') else {
            return Err(BaggageErrorKind::NoValue);
        };
        let (key, value) = (trim_blanks(key), trim_blanks(value));
        if key.is_empty() || key == b"sentry-" || !key.iter().copied().all(is_token_byte) {
            return Err(BaggageErrorKind::Key);
        }
        if !value.iter().all(|byte| is_octet(*byte) || is_encoded_when_written(*byte)) {
            return Err(BaggageErrorKind::Value);
        }
        let properties = trim_blanks(properties.unwrap_or_default());
        if !properties.iter().all(|byte| is_octet(*byte) || matches!(byte, b';' | b' ' | b'\t')) {
            return Err(BaggageErrorKind::Property);
        }
        // All three are ASCII by now.
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| BaggageErrorKind::Value);
        let member = Self { key: text(key)?, value: text(value)?, properties: text(properties)? };
        if member.is_decodable() { Ok(member) } else { Err(BaggageErrorKind::Encoding) }
    }

    /// Whether every `%` begins an encoded byte and the bytes are UTF-8.
    fn is_decodable(&self) -> bool {
        let mut ascii = true;
        for (at, _) in self.value.match_indices('%') {
            match self.value.as_bytes().get(at + 1..at + 3) {
                Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    ascii &= *high < b'8';
                }
                _ => return false,
            }
        }
        ascii || percent_decode_str(self.value).decode_utf8().is_ok()
    }

    fn write(&self, text: &mut String) {
        text.extend([self.key, "="]);
        if self.value.bytes().any(is_encoded_when_written) {
            text.extend(utf8_percent_encode(self.value, MENDED));
        } else {
            text.push_str(self.value);
        }
        if !self.properties.is_empty() {
            text.extend([";", self.properties]);
        }
    }
}

/// The members of one header line: each well-formed one, and for each other an error that says what is
/// wrong with it. Empty members are passed over.
///
/// ```
/// use tracehop::wire::baggage::Members;
///
/// let mut members = Members::new(b"a=1, b, c=%zz");
/// assert_eq!(members.next().unwrap()?.key(), "a");
/// assert_eq!(members.next().unwrap().unwrap_err().to_string(), "member at 5 of the baggage: it has no `=`");
/// assert!(members.next().unwrap().is_err());
/// assert!(members.next().is_none());
/// # Ok::<(), tracehop::wire::BaggageError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Members<'a> {
    rest: Option<&'a [u8]>,
    position: usize,
}

impl<'a> Members<'a> {
    /// Goes through one line.
    pub fn new(line: &'a [u8]) -> Self {
        Self { rest: Some(line), position: 0 }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, BaggageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (bytes, rest) = split_at_byte(self.rest?, b',');
            self.rest = rest;
            let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let position = self.position + blanks;
            self.position += bytes.len() + 1;
            let bytes = trim_blanks(bytes);
            if !bytes.is_empty() {
                return Some(Member::parse(bytes).map_err(|kind| BaggageError { position, kind }));
            }
        }
    }
}

/// The well-formed members within the first [`Baggage::MAX_BYTES`] of the lines.
pub(crate) fn readable_members<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Member<'a>> {
    let mut left = Baggage::MAX_BYTES;
    lines.into_iter().flat_map(move |line| {
        let line = whole_members(line, left);
        left -= line.len();
        Members::new(line).flatten()
    })
}

/// As many members of a line as `limit` bytes hold.
fn whole_members(line: &[u8], limit: usize) -> &[u8] {
    match line.get(..=limit) {
        None => line,
        // The byte at the limit is looked at as well: if it is the comma, the last member is whole.
        Some(start) => &line[..start.iter().rposition(|byte| *byte == b',').unwrap_or(0)],
    }
}

fn split_at_byte(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == separator) {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    }
}

/// `tchar` of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-tokens).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `baggage-octet` of [W3C Baggage](https://www.w3.org/TR/baggage/#definition).
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// Not a `baggage-octet`, but harmless.
fn is_encoded_when_written(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'"' | b'\\')
}

/// What [`is_encoded_when_written`] names. `%` is not in it: what is encoded stays as it is.
const MENDED: &AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'\\');

/// What values made here encode: all but the unreserved characters of
/// [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3).
const WRITTEN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is wrong with a `baggage` member, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaggageError {
    position: usize,
    kind: BaggageErrorKind,
}

/// What can be wrong with a `baggage` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BaggageErrorKind {
    /// There is no `=`.
    NoValue,
    /// The key is empty or has a character that a token does not have.
    Key,
    /// The value has a control character or one that is not ASCII.
    Value,
    /// The value is not percent-encoded UTF-8.
    Encoding,
    /// A property has a character that properties do not have.
    Property,
    /// The list would have more than 64 members or 8192 bytes.
    Limit,
}

impl BaggageError {
    /// Where the member begins: an offset in bytes, from 0.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What is wrong with it.
    pub fn kind(&self) -> BaggageErrorKind {
        self.kind
    }
}

impl fmt::Display for BaggageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            BaggageErrorKind::NoValue => "it has no `=`",
            BaggageErrorKind::Key => "its key is not a token",
            BaggageErrorKind::Value => "its value has a character that must be percent-encoded",
            BaggageErrorKind::Encoding => "its value is not percent-encoded UTF-8",
            BaggageErrorKind::Property => "a property has a character that must be percent-encoded",
            BaggageErrorKind::Limit => "the list would have more than 64 members or 8192 bytes",
        };
        write!(f, "member at {} of the baggage: {what}", self.position)
    }
}

impl Error for BaggageError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidy(lines: &[&str]) -> String {
        Baggage::from_lines(lines.iter().map(|line| line.as_bytes())).to_string()
    }

    #[test]
    fn lists_are_tidied_and_their_text_kept() {
        let table: &[(&[&str], &str)] = &[
            (&[], ""),
            (&["", ", ,"], ""),
            (&["a=1"], "a=1"),
            (&["a=1,b=2", "c=3"], "a=1,b=2,c=3"),
            (&[" a = 1 ,\tb\t=\t2 "], "a=1,b=2"),
            (&["b=2,a=1,B=3"], "b=2,a=1,B=3"),
            (&["a=1 ; p ;q = 2"], "a=1;p ;q = 2"),
            (&["a=%2F%2f/"], "a=%2F%2f/"),
            (&["a=b=c=d"], "a=b=c=d"),
            (&["a=,b=2"], "a=,b=2"),
            (&["a=GET /x \"y\" \\"], "a=GET%20/x%20%22y%22%20%5C"),
            (&["a=x%20y z"], "a=x%20y%20z"),
        ];
        for (lines, expected) in table {
            assert_eq!(tidy(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn malformed_members_are_left_out_and_named() {
        use BaggageErrorKind as K;
        let table: &[(&[u8], usize, BaggageErrorKind)] = &[
            (b"a", 0, K::NoValue),
            (b"x=1, a", 5, K::NoValue),
            (b"a;b=1", 0, K::NoValue),
            (b"=1", 0, K::Key),
            (b"sentry-=1", 0, K::Key),
            (b"a b=1", 0, K::Key),
            (b"\xc3\xa9=1", 0, K::Key),
            (b"a=\xc3\xa9", 0, K::Value),
            (b"a=1\x002", 0, K::Value),
            (b"a=1\r\nx: y", 0, K::Value),
            (b"a=%zz", 0, K::Encoding),
            (b"a=%", 0, K::Encoding),
            (b"a=%4", 0, K::Encoding),
            (b"a=%C3", 0, K::Encoding),
            (b"a=1;p=\"q\"", 0, K::Property),
        ];
        for (line, position, kind) in table {
            let shown = String::from_utf8_lossy(line);
            let errors: Vec<_> = Members::new(line).filter_map(Result::err).collect();
            assert_eq!(errors, [BaggageError { position: *position, kind: *kind }], "{shown}");
            let kept = Baggage::from_lines([*line, b"z=9"]);
            assert_eq!(
                kept.as_str().strip_prefix("x=1,").unwrap_or(kept.as_str()),
                "z=9",
                "{shown}"
            );
        }
    }

    #[test]
    fn values_are_decoded_when_read_and_encoded_when_made() {
        let mut baggage = Baggage::new();
        for value in ["", "plain", "Amélie", "100 %", "a,b;c=d", "\r\n\0", "日本"] {
            baggage.push("key", value).unwrap();
            assert_eq!(baggage.get("key").as_deref(), Some(value));
        }
        assert!(baggage.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(baggage.as_str().parse(), Ok(baggage));
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let baggage: Baggage = "a=1,b=2,a=3".parse().unwrap();
        assert_eq!(baggage.get("a").as_deref(), Some("3"));
        assert_eq!(baggage.get("c"), None);
    }

    #[test]
    fn a_property_is_not_part_of_the_value_and_stays_with_it() {
        let baggage: Baggage = "a=1;p=2;q".parse().unwrap();
        let member = baggage.members().next().unwrap();
        assert_eq!((member.raw_value(), member.properties()), ("1", "p=2;q"));
        assert_eq!(baggage.as_str(), "a=1;p=2;q");
    }

    #[test]
    fn the_65th_member_is_left_out() {
        let members: Vec<String> = (0..65).map(|n| format!("k{n}=v")).collect();
        let baggage = Baggage::from_lines([members.join(",").as_bytes()]);
        assert_eq!(baggage.len(), 64);
        assert_eq!(baggage.as_str(), members[..64].join(","));
        assert_eq!(baggage.clone().push("k", "v").unwrap_err().kind(), BaggageErrorKind::Limit);
        assert!(members.join(",").parse::<Baggage>().is_err());
    }

    #[test]
    fn bytes_over_the_limit_drop_whole_members() {
        let filler = |bytes: usize| format!("k={}", "v".repeat(bytes - 2));
        let table: &[(Vec<String>, usize)] = &[
            (vec![filler(8192)], 8192),
            (vec![filler(8193)], 0),
            (vec![format!("{},a=1", filler(8188))], 8192),
            (vec![format!("{},a=1", filler(8189))], 8189),
            (vec![format!("{},a=1", filler(8192))], 8192),
            (vec![filler(8100), "a=1".to_owned()], 8104),
            (vec![filler(8190), "a=1".to_owned()], 8190),
        ];
        for (lines, expected) in table {
            let baggage = Baggage::from_lines(lines.iter().map(|line| line.as_bytes()));
            assert_eq!(baggage.as_str().len(), *expected);
        }
    }

    #[test]
    fn encoding_what_should_have_been_does_not_exceed_the_limit() {
        let baggage = Baggage::from_lines([format!("k=x{}x", " ".repeat(4000)).as_bytes()]);
        assert!(baggage.is_empty());
    }
}
