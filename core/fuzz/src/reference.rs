//! A plain reader of baggage, as the oracle.

use tracehop::wire::Baggage;

/// A well-formed member of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) key: String,
    /// The value and the properties as they are written.
    pub(crate) rest: String,
    /// The decoded value.
    pub(crate) value: String,
}

/// Returns the well-formed members of all lines, within the first 8192 bytes of the lines joined with commas.
pub(crate) fn members(lines: &[&[u8]]) -> Vec<Member> {
    let mut list = lines.join(&b',');
    if list.len() > Baggage::MAX_BYTES {
        let last_comma = list[..=Baggage::MAX_BYTES].iter().rposition(|byte| *byte == b',');
        list.truncate(last_comma.unwrap_or(0));
    }
    let members = list.split(|byte| *byte == b',');
    members.filter_map(|bytes| member(std::str::from_utf8(bytes).ok()?)).collect()
}

/// Returns the members that fit into a list.
pub(crate) fn fitting(members: &[Member]) -> Vec<Member> {
    let mut list = Vec::new();
    for member in members {
        list.push(member.clone());
        if !fits(&list) {
            list.pop();
        }
    }
    list
}

/// Returns the `sentry-` members that fit into a list, each name once: the last value, in the place of the first.
pub(crate) fn items(members: &[Member]) -> Vec<Member> {
    let mut items: Vec<Member> = Vec::new();
    for member in members.iter().filter(|member| member.key.starts_with("sentry-")) {
        match items.iter().position(|item| item.key == member.key) {
            Some(at) => {
                let before = std::mem::replace(&mut items[at], member.clone());
                if !fits(&items) {
                    items[at] = before;
                }
            }
            None => {
                items.push(member.clone());
                if !fits(&items) {
                    items.pop();
                }
            }
        }
    }
    items
}

/// Whether a list is within the limits.
fn fits(members: &[Member]) -> bool {
    // Each member has a `=`, and each but the last a comma after it.
    let bytes = members.iter().map(|it| it.key.len() + 1 + it.rest.len() + 1).sum::<usize>();
    members.len() <= Baggage::MAX_MEMBERS && bytes <= Baggage::MAX_BYTES + 1
}

/// Returns the members as a list.
pub(crate) fn text(members: &[Member]) -> String {
    let members: Vec<_> = members.iter().map(|it| format!("{}={}", it.key, it.rest)).collect();
    members.join(",")
}

fn member(text: &str) -> Option<Member> {
    let mut parts = text.split(';').map(trim);
    let (key, value) = parts.next()?.split_once('=')?;
    let (key, value) = (trim(key), trim(value));
    if !is_key(key) || !value.chars().all(|it| is_octet(it) || " \t\"\\".contains(it)) {
        return None;
    }
    let mut rest =
        value.replace(' ', "%20").replace('\t', "%09").replace('"', "%22").replace('\\', "%5C");
    for property in parts.filter(|property| !property.is_empty()) {
        let (key, value) = match property.split_once('=') {
            Some((key, value)) => (trim(key), Some(trim(value))),
            None => (property, None),
        };
        if !is_key(key) || !value.unwrap_or_default().chars().all(is_octet) {
            return None;
        }
        rest.extend([";", key]);
        if let Some(value) = value {
            rest.extend(["=", value]);
        }
    }
    Some(Member { key: key.to_owned(), rest, value: decoded(value)? })
}

/// Returns the decoded value, if every `%` starts an encoded byte and the bytes are UTF-8.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut left = value.bytes();
    while let Some(byte) = left.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || char::from(left.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_key(text: &str) -> bool {
    let is_token = |it: char| it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(it);
    !text.is_empty() && text != "sentry-" && text.chars().all(is_token)
}

fn is_octet(it: char) -> bool {
    it.is_ascii_graphic() && !"\",;\\".contains(it)
}
