use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::baggage::{
    BaggageError, BaggageErrorKind, BaggageMember, BaggageMembers, is_key, is_property_value,
};
use super::list_builder::{ListBuilder, MAX_BYTES, MAX_MEMBERS, lines_within_limit};

/// `baggage` header value, defined in [W3C Baggage](https://www.w3.org/TR/baggage/)
///
/// A list of members. Order and text of received members are kept. The list is tidy: no blanks around `,`, `;`
/// and `=`, no malformed members, at most [`MAX_MEMBERS`](Self::MAX_MEMBERS) and
/// [`MAX_BYTES`](Self::MAX_BYTES). The text is printable ASCII without `"` and `\`, so it can be a header
/// value and part of a quoted string.
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
/// Blanks, `"` and `\` in a value should be encoded. They are read as they are and written encoded, because
/// hand-written clients send them and the other SDKs read them.
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
/// let mut baggage = Baggage::from_header("userId = Am%C3%A9lie , malformed, isProduction=false");
/// assert_eq!(baggage.get("userId").as_deref(), Some("Amélie"));
/// baggage.set("isProduction", "true")?;
/// baggage.push_with_properties("tenant", "7", &[("signed", None), ("ttl", Some("30"))])?;
/// assert_eq!(baggage.as_str(), "userId=Am%C3%A9lie,isProduction=true,tenant=7;signed;ttl=30");
/// # Ok::<(), tracehop::wire::BaggageError>(())
/// ```
///
/// With the feature `serde` the serde form is the text.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Baggage {
    text: String,
    members: usize,
}

impl Baggage {
    /// The largest number of members, by the [W3C](https://www.w3.org/TR/baggage/#limits).
    pub const MAX_MEMBERS: usize = MAX_MEMBERS;

    /// The largest number of bytes, by the [W3C](https://www.w3.org/TR/baggage/#limits).
    pub const MAX_BYTES: usize = MAX_BYTES;

    /// Makes an empty list.
    pub const fn new() -> Self {
        Self { text: String::new(), members: 0 }
    }

    /// Reads one header value. Members that are malformed or exceed a limit are left out.
    ///
    /// [`from_str`](FromStr::from_str) instead refuses a list with such a member. [`BaggageMembers`] names the
    /// fault of each.
    pub fn from_header(value: impl AsRef<[u8]>) -> Self {
        Self::from_lines([value.as_ref()])
    }

    /// Reads the values of several header lines, which are one list, as [`from_header`](Self::from_header)
    /// does.
    ///
    /// Only the first [`MAX_BYTES`](Self::MAX_BYTES) bytes are read. A member that they cut off is left out.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut list = ListBuilder::default();
        for line in lines_within_limit(lines) {
            for member in BaggageMembers::new(line).flatten() {
                list.push(&member);
            }
        }
        list.into()
    }

    /// Appends a member and encodes its value.
    ///
    /// # Errors
    ///
    /// A key that is not a token, or a list over one of the limits. The list stays as it was.
    pub fn push(&mut self, key: &str, value: &str) -> Result<(), BaggageError> {
        self.push_with_properties(key, value, &[])
    }

    /// Appends a member with [properties](https://www.w3.org/TR/baggage/#property): keys and optional values.
    ///
    /// The member's value is encoded. The values of properties are written as they are.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push), and a property that the grammar does not allow.
    pub fn push_with_properties(
        &mut self,
        key: &str,
        value: &str,
        properties: &[(&str, Option<&str>)],
    ) -> Result<(), BaggageError> {
        let error = |kind| Err(BaggageError { position: self.text.len(), kind });
        if !is_key(key.as_bytes()) {
            return error(BaggageErrorKind::Key);
        }
        let is_property = |(key, value): &(&str, Option<&str>)| {
            is_key(key.as_bytes()) && is_property_value(value.unwrap_or_default().as_bytes())
        };
        if !properties.iter().all(is_property) {
            return error(BaggageErrorKind::Property);
        }
        self.change(|list| {
            let start = list.start_member();
            list.bytes.extend_from_slice(key.as_bytes());
            list.bytes.push(b'=');
            for part in utf8_percent_encode(value, ENCODED) {
                list.bytes.extend_from_slice(part.as_bytes());
            }
            for (key, value) in properties {
                list.bytes.push(b';');
                list.bytes.extend_from_slice(key.as_bytes());
                if let Some(value) = value {
                    list.bytes.push(b'=');
                    list.bytes.extend_from_slice(value.as_bytes());
                }
            }
            list.end_member(start)
        })
    }

    /// Appends a member of another list, with its properties.
    ///
    /// # Errors
    ///
    /// A list over one of the limits. The list stays as it was.
    pub fn push_member(&mut self, member: &BaggageMember<'_>) -> Result<(), BaggageError> {
        self.change(|list| list.push(member))
    }

    /// Replaces the members with this key by one with this value, in the place of the first. Appends the member if
    /// there are none. The properties of replaced members are lost.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push). The list stays as it was.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), BaggageError> {
        let mut single = Self::new();
        single.push(key, value)?;
        self.merge(&single)
    }

    /// Removes all members with this key, and returns whether there were any.
    pub fn remove(&mut self, key: &str) -> bool {
        let mut list = ListBuilder::with_capacity(self.text.len());
        for member in self.members().filter(|member| member.key() != key) {
            list.push(&member);
        }
        let is_removed = list.members < self.members;
        *self = list.into();
        is_removed
    }

    /// Adds the members of another list. They replace the members with their keys, in the place of the first with
    /// each key.
    ///
    /// # Errors
    ///
    /// A list over one of the limits. The list stays as it was.
    pub fn merge(&mut self, other: &Self) -> Result<(), BaggageError> {
        let mut list = ListBuilder::with_capacity(self.text.len() + 1 + other.text.len());
        let mut fits = true;
        for member in self.members() {
            let mut replacements =
                other.members().filter(|new| new.key() == member.key()).peekable();
            if replacements.peek().is_none() {
                fits &= list.push(&member);
            } else if !list.contains(member.raw_key()) {
                fits = replacements.fold(fits, |fits, new| fits & list.push(&new));
            }
        }
        let is_new = |new: &BaggageMember<'_>| self.members().all(|old| old.key() != new.key());
        fits = other.members().filter(is_new).fold(fits, |fits, new| fits & list.push(&new));
        if !fits {
            let position = self.text.len();
            return Err(BaggageError { position, kind: BaggageErrorKind::Limit });
        }
        *self = list.into();
        Ok(())
    }

    /// Lets `change` append a member. The list stays as it was if that does not fit.
    fn change(
        &mut self,
        change: impl FnOnce(&mut ListBuilder) -> bool,
    ) -> Result<(), BaggageError> {
        let position = self.text.len();
        let bytes = std::mem::take(&mut self.text).into_bytes();
        let mut list = ListBuilder { bytes, members: self.members };
        let fits = change(&mut list);
        *self = list.into();
        if fits { Ok(()) } else { Err(BaggageError { position, kind: BaggageErrorKind::Limit }) }
    }

    /// Returns the members, in order.
    pub fn members(&self) -> impl Iterator<Item = BaggageMember<'_>> {
        // All members of a list are well-formed.
        BaggageMembers::new(self.text.as_bytes()).flatten()
    }

    /// Returns the decoded value of the member with this key. Of equal keys the last one counts.
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        self.members().filter(|member| member.key() == key).last().map(|member| member.value())
    }

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.members
    }

    /// Whether there are no members. An empty list is not a header value: leave the header out.
    pub fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// Returns the list as one header value.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<ListBuilder> for Baggage {
    fn from(list: ListBuilder) -> Self {
        let (text, members) = list.into_parts();
        Self { text, members }
    }
}

impl fmt::Debug for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Baggage").field(&self.text).finish()
    }
}

impl fmt::Display for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Baggage {
    type Err = BaggageError;

    /// Reads one line. Every member must be well-formed and within the limits.
    fn from_str(value: &str) -> Result<Self, BaggageError> {
        let mut list = ListBuilder::default();
        let mut members = BaggageMembers::new(value.as_bytes());
        while let Some(member) = members.next() {
            if !list.push(&member?) {
                let position = members.position();
                return Err(BaggageError { position, kind: BaggageErrorKind::Limit });
            }
        }
        Ok(list.into())
    }
}

/// The characters that are encoded in new values: all except the unreserved ones of
/// [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn tidy(lines: &[&str]) -> String {
        Baggage::from_lines(lines.iter().map(|line| line.as_bytes())).to_string()
    }

    #[test]
    fn lists_are_tidied_and_keep_their_text() {
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
    fn values_round_trip_through_their_encoding() {
        let mut baggage = Baggage::new();
        for value in ["", "plain", "Amélie", "100 %", "a,b;c=d", "\r\n\0", "日本"] {
            baggage.push("key", value).unwrap();
            assert_eq!(baggage.get("key").as_deref(), Some(value));
        }
        assert!(baggage.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(baggage.as_str().parse(), Ok(baggage));
    }

    #[test]
    fn lists_and_members_are_shown_for_debugging() {
        let baggage: Baggage = "a=x%20y;p=1".parse().unwrap();
        assert_eq!(format!("{baggage:?}"), r#"Baggage("a=x%20y;p=1")"#);
        let members = format!("{:?}", baggage.members().collect::<Vec<_>>());
        assert!(
            members.contains(r#"key: "a", value: "x y", properties: [("p", Some("1"))]"#),
            "{members}"
        );
    }

    #[test]
    fn equal_keys_count_with_the_last_value() {
        let baggage: Baggage = "a=1,b=2,a=3".parse().unwrap();
        assert_eq!(baggage.get("a").as_deref(), Some("3"));
        assert_eq!(baggage.get("c"), None);
    }

    #[test]
    fn set_replaces_every_member_with_the_key() {
        let table = [
            ("", "a=x%2Fy"),
            ("b=2", "b=2,a=x%2Fy"),
            ("a=1,b=2", "a=x%2Fy,b=2"),
            ("b=2,a=1;p,c=3,a=4", "b=2,a=x%2Fy,c=3"),
        ];
        for (before, after) in table {
            let mut baggage = Baggage::from_header(before);
            baggage.set("a", "x/y").unwrap();
            assert_eq!(baggage, after.parse().unwrap(), "{before}");
        }
    }

    #[test]
    fn remove_takes_every_member_with_the_key() {
        let mut baggage = Baggage::from_header("a=1,b=2;p,a=3");
        assert!(baggage.remove("a"));
        assert_eq!(baggage, "b=2;p".parse().unwrap());
        assert!(!baggage.remove("a"));
        assert!(baggage.remove("b") && baggage.is_empty());
    }

    #[test]
    fn merge_replaces_equal_keys_and_appends_others() {
        let table = [
            ("", "", ""),
            ("a=1", "", "a=1"),
            ("", "a=1;p", "a=1;p"),
            ("a=1,b=2,a=3,c=4", "c=5,a=6,d=7", "a=6,b=2,c=5,d=7"),
            ("a=1", "a=2,a=3", "a=2,a=3"),
        ];
        for (ours, theirs, merged) in table {
            let mut baggage = Baggage::from_header(ours);
            baggage.merge(&Baggage::from_header(theirs)).unwrap();
            assert_eq!(baggage, merged.parse().unwrap(), "{ours} {theirs}");
        }
    }

    #[test]
    fn changes_that_do_not_fit_change_nothing() {
        let members: Vec<String> = (0..64).map(|n| format!("k{n}=v")).collect();
        let full = Baggage::from_header(members.join(","));
        let mut baggage = full.clone();
        assert_eq!(baggage.set("new", "1").unwrap_err().kind(), BaggageErrorKind::Limit);
        let other = Baggage::from_header("k0=1,new=1");
        assert_eq!(baggage.merge(&other).unwrap_err().kind(), BaggageErrorKind::Limit);
        assert_eq!(baggage, full);
        let twice = Baggage::from_header("k63=1,k63=2");
        assert_eq!(baggage.merge(&twice).unwrap_err().kind(), BaggageErrorKind::Limit);
        assert_eq!(baggage, full);
        baggage.set("k0", "1").unwrap();
        assert_eq!(baggage.get("k0").as_deref(), Some("1"));
    }

    #[test]
    fn properties_are_checked_and_kept() {
        let mut baggage = Baggage::new();
        baggage.push_with_properties("a", "1", &[("p", Some("2%20")), ("q", None)]).unwrap();
        assert_eq!(baggage.as_str(), "a=1;p=2%20;q");
        for property in [("", None), ("p q", None), ("p", Some("a b")), ("p", Some("é"))] {
            let error = baggage.push_with_properties("b", "2", &[property]).unwrap_err();
            assert_eq!(error.kind(), BaggageErrorKind::Property, "{property:?}");
        }
        assert_eq!(baggage.len(), 1);
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
    fn errors_name_the_place_in_the_given_text() {
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
    fn encoding_a_value_never_exceeds_the_limit() {
        let baggage = Baggage::from_lines([format!("k=x{}x", " ".repeat(4000)).as_bytes()]);
        assert!(baggage.is_empty());
    }
}
