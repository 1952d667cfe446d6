use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::baggage_member::{
    BaggageError, BaggageErrorKind, BaggageMember, BaggageMembers, is_key,
};
use super::plain::plain_members;

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
/// property = key [ OWS "=" OWS *baggage-octet ]
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
    /// Nothing behind the first [`MAX_BYTES`](Self::MAX_BYTES) is looked at, and a member that they cut is
    /// left out. To learn what is wrong with a list, go through its [`BaggageMembers`].
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut baggage = Self::new();
        for member in lines_that_count(lines).flat_map(BaggageMembers::new).flatten() {
            if baggage.push_member(&member).is_err() {
                break;
            }
        }
        baggage
    }

    /// A list with this text, which has so many members and is tidy.
    pub(crate) fn from_tidy(text: String, members: usize) -> Self {
        Self { text, members }
    }

    /// An empty list with room for a text of this length.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes.min(Self::MAX_BYTES)), members: 0 }
    }

    /// Adds a member, encoding its value.
    ///
    /// # Errors
    ///
    /// What is not a key, and a list that would exceed one of the limits; the list is as it was.
    pub fn push(&mut self, key: &str, value: &str) -> Result<(), BaggageError> {
        if !is_key(key.as_bytes()) {
            return Err(BaggageError { position: self.text.len(), kind: BaggageErrorKind::Key });
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
    pub fn push_member(&mut self, member: &BaggageMember<'_>) -> Result<(), BaggageError> {
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

    /// Adds a list, whole.
    ///
    /// # Errors
    ///
    /// A list that would exceed one of the limits; the list is as it was.
    pub(crate) fn push_list(&mut self, list: &Self) -> Result<(), BaggageError> {
        let Some(others) = list.members.checked_sub(1) else { return Ok(()) };
        if self.members + others >= Self::MAX_MEMBERS {
            return Err(BaggageError { position: self.text.len(), kind: BaggageErrorKind::Limit });
        }
        self.append(|text| text.push_str(&list.text))?;
        self.members += others;
        Ok(())
    }

    /// The members with this key, in order.
    pub(crate) fn find(&self, key: &str) -> impl Iterator<Item = BaggageMember<'_>> {
        plain_members(&self.text)
            .filter_map(move |text| BaggageMember::from_tidy_with_key(text, key))
    }

    /// The members, in order.
    pub fn members(&self) -> impl Iterator<Item = BaggageMember<'_>> {
        // What is in the list was checked when it was added.
        let members = plain_members(&self.text).filter(|member| !member.is_empty());
        members.map(BaggageMember::from_tidy)
    }

    /// The decoded value of the last member with this key, which is the one that counts.
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        self.find(key).last().map(|member| member.value())
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
        let mut members = BaggageMembers::new(value.as_bytes());
        while let Some(member) = members.next() {
            let pushed = baggage.push_member(&member?);
            pushed.map_err(|error| BaggageError { position: members.position, ..error })?;
        }
        Ok(baggage)
    }
}

/// The lines as one, as far as they count, behind so many bytes for something else; nothing at all if there are none.
pub(crate) fn joined<'a>(before: usize, lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut lines = lines_that_count(lines);
    let Some(first) = lines.next() else { return Vec::new() };
    // Of this very size, if there is one line: then it need not be copied to be shared.
    let mut all = Vec::with_capacity(before + first.len());
    all.resize(before, 0);
    all.extend_from_slice(first);
    for line in lines {
        all.push(b',');
        all.extend_from_slice(line);
    }
    all
}

/// The lines, as far as the first [`Baggage::MAX_BYTES`] go.
fn lines_that_count<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> {
    let mut left = Baggage::MAX_BYTES;
    lines.into_iter().map_while(move |line| {
        let whole = whole_members(line, left);
        // A line that is cut is the last.
        let left_before = std::mem::replace(&mut left, 0);
        if whole.len() == line.len() {
            // With the comma between this line and the next.
            left = left_before.saturating_sub(line.len() + 1);
        }
        (left_before != 0).then_some(whole)
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

/// What values made here encode: all but the unreserved characters of
/// [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3).
const WRITTEN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
            (&["a=1 ; p ;;q = 2;"], "a=1;p;q=2"),
            (&["a=%2F%2f/"], "a=%2F%2f/"),
            (&["a=%7F%C3%A9"], "a=%7F%C3%A9"),
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
            (b"a=%80", 0, K::Encoding),
            (b"a=%4z", 0, K::Encoding),
            (b"a=%C3%A9%FF", 0, K::Encoding),
            (b"a=1;p=\"q\"", 0, K::Property),
            (b"a=1;p\tq", 0, K::Property),
            (b"a=1;p=q r", 0, K::Property),
            (b"a=1;==", 0, K::Property),
        ];
        for (line, position, kind) in table {
            let shown = String::from_utf8_lossy(line);
            let errors: Vec<_> = BaggageMembers::new(line).filter_map(Result::err).collect();
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
            (vec![filler(4100), filler(4100), "a=1".to_owned()], 4100),
            (vec![filler(9000), "a=1".to_owned()], 0),
        ];
        for (lines, expected) in table {
            let baggage = Baggage::from_lines(lines.iter().map(|line| line.as_bytes()));
            assert_eq!(baggage.as_str().len(), *expected);
            assert!(lines.join(",").starts_with(baggage.as_str()));
        }
    }

    #[test]
    fn errors_name_the_place_in_the_text_that_was_given() {
        let too_long = format!("   a=1   ,   b={}", "x".repeat(8190));
        let table = [(too_long.as_str(), 13), ("a=1,  ,b", 7), ("\t=1", 1)];
        for (text, position) in table {
            assert_eq!(text.parse::<Baggage>().unwrap_err().position(), position, "{text}");
        }
        let mut baggage: Baggage = "a=1".parse().unwrap();
        for key in ["", "b c", "sentry-", "é"] {
            let error = baggage.push(key, "2").unwrap_err();
            assert_eq!((error.position(), error.kind()), (3, BaggageErrorKind::Key));
        }
        assert_eq!(baggage.as_str(), "a=1");
    }

    #[test]
    fn encoding_what_should_have_been_does_not_exceed_the_limit() {
        let baggage = Baggage::from_lines([format!("k=x{}x", " ".repeat(4000)).as_bytes()]);
        assert!(baggage.is_empty());
    }
}
