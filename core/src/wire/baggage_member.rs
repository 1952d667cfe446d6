use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::trim_blanks;
use crate::words::Positions;

/// A member of a [`baggage`](https://www.w3.org/TR/baggage/) list, as it was received.
///
/// ```
/// use tracehop::wire::BaggageMembers;
///
/// let member = BaggageMembers::new(b"sentry-release=shop%401.4.0;p=1").next().unwrap()?;
/// assert_eq!((member.key(), member.sentry_name()), ("sentry-release", Some("release")));
/// assert_eq!((member.raw_value(), &*member.value()), ("shop%401.4.0", "shop@1.4.0"));
/// assert_eq!(member.properties(), "p=1");
/// # Ok::<(), tracehop::wire::BaggageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaggageMember<'a> {
    key: &'a str,
    value: &'a str,
    properties: &'a str,
}

impl<'a> BaggageMember<'a> {
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
        // Most values have nothing encoded, and to find that out is cheaper than to decode nothing.
        if memchr::memchr(b'%', self.value.as_bytes()).is_some() {
            percent_decode_str(self.value).decode_utf8_lossy()
        } else {
            Cow::Borrowed(self.value)
        }
    }

    /// What stands between the value and the end of the member, without the first `;`, as received. Empty
    /// if there are no properties.
    pub fn properties(&self) -> &'a str {
        self.properties
    }

    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, BaggageErrorKind> {
        let (head, properties) = split_at_byte(bytes, b';');
        let (key, Some(value)) = split_at_byte(head, b'=') else {
            return Err(BaggageErrorKind::NoValue);
        };
        let (key, value) = (trim_blanks(key), trim_blanks(value));
        if !is_key(key) {
            return Err(BaggageErrorKind::Key);
        }
        if !value.iter().all(|byte| is_octet(*byte) || is_encoded_when_written(*byte)) {
            return Err(BaggageErrorKind::Value);
        }
        let properties = trim_blanks(properties.unwrap_or_default());
        if !properties.split(|byte| *byte == b';').all(is_property) {
            return Err(BaggageErrorKind::Property);
        }
        // All three are ASCII by now.
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| BaggageErrorKind::Value);
        let member = Self { key: text(key)?, value: text(value)?, properties: text(properties)? };
        if member.is_decodable() { Ok(member) } else { Err(BaggageErrorKind::Encoding) }
    }

    /// A member of a list that is tidy already.
    pub(crate) fn from_tidy(text: &'a str) -> Self {
        let (key, rest) = split_at_char(text, b'=');
        let (value, properties) = split_at_char(rest, b';');
        Self { key, value, properties }
    }

    /// The same if it has this key, which is not looked for then.
    pub(super) fn from_tidy_with_key(text: &'a str, key: &str) -> Option<Self> {
        // The length of a key tells most apart, and is compared faster than the text.
        if text.as_bytes().get(key.len()) != Some(&b'=') || !text.starts_with(key) {
            return None;
        }
        let (key, rest) = text.split_at_checked(key.len())?;
        let (value, properties) = split_at_char(rest.get(1..)?, b';');
        Some(Self { key, value, properties })
    }

    /// Bytes of the member in a tidy list, at the most.
    pub(crate) fn max_len(&self) -> usize {
        // A character that is encoded when written becomes three.
        let encoded = 2 * self.value.bytes().filter(|byte| is_encoded_when_written(*byte)).count();
        self.key.len() + 1 + self.value.len() + encoded + 1 + self.properties.len()
    }

    /// Whether every `%` begins an encoded byte and the bytes are UTF-8.
    fn is_decodable(&self) -> bool {
        let mut ascii = true;
        for at in Positions::new(self.value.as_bytes(), b'%') {
            match self.value.as_bytes().get(at + 1..at + 3) {
                Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    ascii &= *high < b'8';
                }
                _ => return false,
            }
        }
        ascii || percent_decode_str(self.value).decode_utf8().is_ok()
    }

    pub(super) fn write(&self, text: &mut String) {
        text.extend([self.key, "="]);
        if self.value.bytes().any(is_encoded_when_written) {
            text.extend(utf8_percent_encode(self.value, MENDED));
        } else {
            text.push_str(self.value);
        }
        for property in self.properties.split(';').map(trim).filter(|text| !text.is_empty()) {
            match property.split_once('=') {
                Some((key, value)) => text.extend([";", trim(key), "=", trim(value)]),
                None => text.extend([";", property]),
            }
        }
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The members of one header line: each well-formed one, and for each other an error that says what is
/// wrong with it. Empty members are passed over.
///
/// ```
/// use tracehop::wire::BaggageMembers;
///
/// let mut members = BaggageMembers::new(b"a=1, b, c=%zz");
/// assert_eq!(members.next().unwrap()?.key(), "a");
/// assert_eq!(members.next().unwrap().unwrap_err().to_string(), "member at 5 of the baggage: it has no `=`");
/// assert!(members.next().unwrap().is_err());
/// assert!(members.next().is_none());
/// # Ok::<(), tracehop::wire::BaggageError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BaggageMembers<'a> {
    rest: Option<&'a [u8]>,
    /// Where the rest begins.
    offset: usize,
    /// Where the last member began.
    pub(super) position: usize,
}

impl<'a> BaggageMembers<'a> {
    /// Goes through one line.
    pub fn new(line: &'a [u8]) -> Self {
        Self { rest: Some(line), offset: 0, position: 0 }
    }
}

impl<'a> Iterator for BaggageMembers<'a> {
    type Item = Result<BaggageMember<'a>, BaggageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (bytes, rest) = split_at_byte(self.rest?, b',');
            self.rest = rest;
            let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            self.position = self.offset + blanks;
            self.offset += bytes.len() + 1;
            let bytes = trim_blanks(bytes);
            if !bytes.is_empty() {
                let position = self.position;
                return Some(
                    BaggageMember::parse(bytes).map_err(|kind| BaggageError { position, kind }),
                );
            }
        }
    }
}

/// What is before and behind a character; all of it is before one that is not there.
fn split_at_char(text: &str, separator: u8) -> (&str, &str) {
    let at = memchr::memchr(separator, text.as_bytes());
    let parts = at.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)));
    parts.unwrap_or((text, ""))
}

fn split_at_byte(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == separator) {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    }
}

/// `sentry-` is a prefix and no name.
pub(super) fn is_key(key: &[u8]) -> bool {
    !key.is_empty() && key != b"sentry-" && key.iter().copied().all(is_token_byte)
}

fn is_property(property: &[u8]) -> bool {
    let (key, value) = split_at_byte(property, b'=');
    let (key, value) = (trim_blanks(key), value.map(trim_blanks));
    let is_blank = key.is_empty() && value.is_none();
    is_blank || is_key(key) && value.unwrap_or_default().iter().copied().all(is_octet)
}

const TOKEN: u8 = 1;
const OCTET: u8 = 2;

/// What each byte may be part of. A table, since every byte of every list is looked at.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        // `tchar` of https://www.rfc-editor.org/rfc/rfc9110#name-tokens
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        {
            classes[byte as usize] |= TOKEN;
        }
        // `baggage-octet` of https://www.w3.org/TR/baggage/#definition
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\') {
            classes[byte as usize] |= OCTET;
        }
        byte += 1;
    }
    classes
};

pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TOKEN != 0
}

fn is_octet(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & OCTET != 0
}

/// Not a `baggage-octet`, but harmless.
fn is_encoded_when_written(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'"' | b'\\')
}

/// What [`is_encoded_when_written`] names. `%` is not in it: what is encoded stays as it is.
const MENDED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'\\');

/// What is wrong with a `baggage` member, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaggageError {
    pub(super) position: usize,
    pub(super) kind: BaggageErrorKind,
}

/// What can be wrong with a `baggage` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BaggageErrorKind {
    /// There is no `=`.
    NoValue,
    /// The key is empty, is nothing but `sentry-`, or has a character that a token does not have.
    Key,
    /// The value has a control character or one that is not ASCII.
    Value,
    /// The value is not percent-encoded UTF-8.
    Encoding,
    /// A property has no key, or a character that properties do not have.
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
            BaggageErrorKind::Key => "it has no key, or one with a character that keys do not have",
            BaggageErrorKind::Value => "its value has a character that must be percent-encoded",
            BaggageErrorKind::Encoding => "its value is not percent-encoded UTF-8",
            BaggageErrorKind::Property => {
                "a property has no key, or a character that must be percent-encoded"
            }
            BaggageErrorKind::Limit => "the list would have more than 64 members or 8192 bytes",
        };
        write!(f, "member at {} of the baggage: {what}", self.position)
    }
}

impl Error for BaggageError {}
