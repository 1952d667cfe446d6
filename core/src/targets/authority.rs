//! The scheme, host and port of a URL, for the DSN and the propagation targets.
//!
//! The browsers' URL standard repairs what it reads: it reads `http:\\host`, `ht\ntp://host` and `http:/host` as the
//! same URL. A rule about where trace headers may go must not depend on such repairs. A text that
//! [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-3) does not allow is no URL here, and so no target.
//! URLs that a client has parsed and written again have no such forms.

use std::net::Ipv6Addr;

/// The part of a URL in front of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    pub(crate) scheme: &'a str,
    /// The text in front of the last `@`.
    pub(crate) userinfo: Option<&'a str>,
    /// An IPv6 address has its brackets.
    pub(crate) host: &'a str,
    /// As written, or the default of the scheme.
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Splits a URL into its authority and the rest: path, query and fragment.
    pub(crate) fn split(url: &'a str) -> Option<(Self, &'a str)> {
        let (scheme, rest) = url.split_at(url.bytes().position(|byte| byte == b':')?);
        let rest = rest.strip_prefix("://")?;
        let is_scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            || !scheme.bytes().all(is_scheme_byte)
        {
            return None;
        }
        let is_end = |byte| matches!(byte, b'/' | b'?' | b'#');
        let end = rest.bytes().position(is_end).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        let (userinfo, host_and_port) = match last_position(authority, b'@') {
            Some(at) => (Some(&authority[..at]), &authority[at + 1..]),
            None => (None, authority),
        };
        let is_userinfo_byte = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if !userinfo.unwrap_or_default().bytes().all(is_userinfo_byte) {
            return None;
        }
        // Colons in brackets belong to an IPv6 address.
        let bracket = last_position(host_and_port, b']').unwrap_or(0);
        let (host, port) = match last_position(&host_and_port[bracket..], b':') {
            Some(at) => host_and_port.split_at(bracket + at),
            None => (host_and_port, ""),
        };
        let port = match port.strip_prefix(':') {
            None | Some("") => default_port(scheme),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        is_host(host).then_some((Self { scheme, userinfo, host, port }, behind))
    }
}

/// Finds a byte from the end. The searchers of `str` take longer to set up than such short texts take to be read: with
/// them a hop takes 6 % more instructions.
fn last_position(text: &str, searched: u8) -> Option<usize> {
    text.bytes().rposition(|byte| byte == searched)
}

/// Returns the host and the port of a URL: the `server.address` and `server.port` of
/// [spans](https://getsentry.github.io/sentry-conventions/). `None` if it has no host.
///
/// ```
/// use tracehop::hop::server_address;
///
/// assert_eq!(server_address("https://api.example.com/stock"), Some(("api.example.com", Some(443))));
/// assert_eq!(server_address("http://[::1]:8080"), Some(("[::1]", Some(8080))));
/// assert_eq!(server_address("/stock"), None);
/// ```
pub fn server_address(url: &str) -> Option<(&str, Option<u16>)> {
    Authority::split(url).map(|(authority, _)| (authority.host, authority.port))
}

fn default_port(scheme: &str) -> Option<u16> {
    let is = |known: &[&str]| known.iter().any(|name| scheme.eq_ignore_ascii_case(name));
    if is(&["http", "ws"]) {
        Some(80)
    } else if is(&["https", "wss"]) {
        Some(443)
    } else {
        None
    }
}

/// Whether a text is a host name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    ipv6(host).is_some() || !host.is_empty() && host.bytes().all(is_name_byte)
}

/// Returns the address of a host in brackets. An address has several spellings.
pub(crate) fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Whether a host can exist: a host without empty labels.
pub(crate) fn is_named_host(host: &str) -> bool {
    is_host(host) && host.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_split_into_their_parts() {
        let table = [
            ("https://example.com", "https", None, "example.com", Some(443), ""),
            ("http://example.com/a?b#c", "http", None, "example.com", Some(80), "/a?b#c"),
            ("http://example.com?b@c", "http", None, "example.com", Some(80), "?b@c"),
            ("http://example.com:8080/", "http", None, "example.com", Some(8080), "/"),
            ("http://example.com:/", "http", None, "example.com", Some(80), "/"),
            (
                "https://key:secret@o1.ingest.sentry.io/4",
                "https",
                Some("key:secret"),
                "o1.ingest.sentry.io",
                Some(443),
                "/4",
            ),
            ("http://a@b@c/", "http", Some("a@b"), "c", Some(80), "/"),
            ("http://[::1]:3000/x", "http", None, "[::1]", Some(3000), "/x"),
            ("http://[::1]/x", "http", None, "[::1]", Some(80), "/x"),
            ("http://[::]", "http", None, "[::]", Some(80), ""),
            ("grpc://example.com", "grpc", None, "example.com", None, ""),
        ];
        for (url, scheme, userinfo, host, port, behind) in table {
            assert_eq!(
                Authority::split(url),
                Some((Authority { scheme, userinfo, host, port }, behind)),
                "{url}"
            );
        }
    }

    #[test]
    fn texts_outside_of_the_grammar_are_no_urls() {
        for url in [
            "",
            "example.com",
            "/path",
            "http:/example.com",
            "http:example.com",
            "://example.com",
            " http://example.com",
            "ht\ttp://example.com",
            "http://",
            "http:///path",
            "http://exa mple.com",
            "http://example.com\\@evil.example",
            "http://evil.example\\@example.com",
            "http://exämple.com",
            "http://ex%61mple.com",
            "http://example.com:port",
            "http://example.com:99999",
            "http://example.com:+80",
            "http://[::1",
            "http://[example.com]",
            "http://::1/",
        ] {
            assert_eq!(Authority::split(url), None, "{url:?}");
        }
    }

    /// The host must be the one that a client connects to. Reqwest parses with `url`.
    #[test]
    fn hosts_are_those_that_clients_connect_to() {
        let pieces = [
            "http",
            "https",
            ":",
            "/",
            "//",
            "@",
            "a.example",
            "b.example",
            "\\",
            "?",
            "#",
            "[::1]",
            ":80",
            "%61",
            " ",
            ".",
        ];
        let mut found = 0;
        for n in 0..16_usize.pow(4) {
            let index = |power: u32| n / 16_usize.pow(power) % 16;
            let url: String =
                ["http://"].into_iter().chain((0..4).map(|power| pieces[index(power)])).collect();
            let (Some((ours, _)), Ok(theirs)) = (Authority::split(&url), url::Url::parse(&url))
            else {
                continue;
            };
            found += 1;
            assert_eq!(Some(ours.host), theirs.host_str(), "{url}");
            assert_eq!(ours.port, theirs.port_or_known_default(), "{url}");
        }
        assert!(found > 1_000, "{found}");
    }
}
