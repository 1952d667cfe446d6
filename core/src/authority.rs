//! Whom a URL addresses: scheme, host and port, as far as a DSN and the propagation targets need them.
//!
//! The browser's URL standard repairs what it reads, and `http:\\host`, `ht\ntp://host` and
//! `http:/host` are all one URL to it. A rule about where trace headers may go must not depend on such
//! repairs: what [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-3) does not have is no URL here,
//! and so is no target either. What a client has parsed and written again is always plain.

use std::net::Ipv6Addr;

/// The part of a URL in front of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    pub(crate) scheme: &'a str,
    /// Everything in front of the last `@`.
    pub(crate) userinfo: Option<&'a str>,
    /// An IPv6 address has its brackets.
    pub(crate) host: &'a str,
    /// As written, or what the scheme implies.
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// The authority of a URL, and what stands behind it: the path, query and fragment.
    pub(crate) fn split(url: &'a str) -> Option<(Self, &'a str)> {
        let (scheme, rest) = url.split_once("://")?;
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        let (userinfo, host_and_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_and_port)) => (Some(userinfo), host_and_port),
            None => (None, authority),
        };
        if !userinfo
            .unwrap_or_default()
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        {
            return None;
        }
        // Colons in brackets belong to an IPv6 address.
        let bracket = host_and_port.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match host_and_port[bracket..].rfind(':') {
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

/// The address in a host that is one in brackets. It has several spellings.
pub(crate) fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Whether a host can be somebody's: one that [`is_host`], and has no empty label.
pub(crate) fn is_named_host(host: &str) -> bool {
    is_host(host) && host.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
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
    fn what_the_grammar_does_not_have_is_no_url() {
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

    /// The host that is found must be the host that a client connects to: `url` is what reqwest parses with.
    #[test]
    fn a_host_that_is_found_is_the_host_that_clients_see() {
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
