//! The host of a URL, compared with that of a target.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::authority::{ipv6, is_named_host};

/// The host of a target, which some URL can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A name or an IPv4 address in lower case, without a dot at the end.
    Name(Box<str>),
    /// Compared as an address, because it has several spellings.
    Ipv6(Ipv6Addr),
}

impl Host {
    /// Reads a host; `None` if no client ever sends a request to a host of this spelling.
    pub(super) fn new(host: &str) -> Option<Self> {
        if let Some(address) = ipv6(host) {
            return Some(Self::Ipv6(address));
        }
        let host = without_last_dot(host);
        (is_named_host(host) && !is_ambiguous(host) && host.split('.').all(is_label))
            .then(|| Self::Name(host.to_ascii_lowercase().into()))
    }

    pub(super) fn is(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => without_last_dot(host).eq_ignore_ascii_case(name),
            Self::Ipv6(address) => ipv6(host).as_ref() == Some(address),
        }
    }

    /// Whether a host is this one or a subdomain of it.
    pub(super) fn contains(&self, host: &str) -> bool {
        let Self::Name(domain) = self else { return self.is(host) };
        let host = without_last_dot(host);
        // Hosts are ASCII: every offset is between two characters.
        let Some(start) = host.len().checked_sub(domain.len()) else {
            return false;
        };
        let (labels, end) = host.split_at(start);
        end.eq_ignore_ascii_case(domain)
            && (labels.is_empty() || labels.ends_with('.') && !ends_in_a_number(domain))
    }
}

/// Removes the dot of the DNS root: a host is the same with and without it.
fn without_last_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether clients read a host as an IPv4 address that is written in another way: `127.1`, `0x7f.0.0.1`.
pub(super) fn is_ambiguous(host: &str) -> bool {
    let host = without_last_dot(host);
    ends_in_a_number(host) && host.parse::<Ipv4Addr>().is_err()
}

/// Whether clients read a name as an IPv4 address, which has more spellings than four decimal numbers:
/// <https://url.spec.whatwg.org/#ends-in-a-number-checker>.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_hex = hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_hex || last.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a label can be in a URL: the text of an encoded label must not be ASCII alone.
fn is_label(label: &str) -> bool {
    match label.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("xn--") => {
            decode_label(&label[4..]).is_some_and(|text| {
                // Clients never encode control characters and whitespace: they map them to others, or refuse them.
                let is_text = |char: &char| !char.is_control() && !char.is_whitespace();
                text.iter().all(is_text) && !text.iter().all(char::is_ascii)
            })
        }
        _ => true,
    }
}

/// Decodes a label without its prefix, by [RFC 3492](https://www.rfc-editor.org/rfc/rfc3492#section-6.2).
fn decode_label(label: &str) -> Option<Vec<char>> {
    const BASE: u32 = 36;
    let (plain, encoded) = label.rsplit_once('-').unwrap_or(("", label));
    let mut text: Vec<char> = plain.chars().collect();
    let (mut code, mut index, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = encoded.chars().map(|char| match char.to_digit(BASE) {
        // Letters come first.
        Some(digit @ 10..) => Some(digit - 10),
        Some(digit) => Some(digit + 26),
        None => None,
    });
    while let Some(first) = digits.next() {
        let (before, mut weight, mut digit) = (index, 1_u32, first?);
        for k in (BASE..).step_by(BASE as usize) {
            index = index.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            digit = digits.next()??;
        }
        let len = u32::try_from(text.len()).ok()? + 1;
        bias = adapted(index - before, len, before == 0);
        code = code.checked_add(index / len)?;
        index %= len;
        text.insert(index as usize, char::from_u32(code)?);
        index += 1;
    }
    Some(text)
}

/// Returns the next bias of a decoder.
fn adapted(delta: u32, len: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / len;
    let mut bias = 0;
    while delta > 455 {
        delta /= 35;
        bias += 36;
    }
    bias + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host that a client connects to, if it can read the URL.
    fn of_url(host: &str) -> Option<String> {
        let url = url::Url::parse(&format!("http://{host}/")).ok()?;
        url.host_str().map(str::to_owned)
    }

    #[test]
    fn hosts_that_no_url_can_have_are_refused() {
        for host in [
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "256.256.256.256",
            "1.2.3.4.5",
            "1.2.3.04",
            "1.1",
            "a.1",
            "a.0x",
            "127.1.",
            "xn--a",
            "xn--",
            "xn--a-",
            "api.xn--a.example",
            "xn--example-",
            "xn--!",
            "",
            ".",
            "..",
            "a..",
            ".a",
        ] {
            assert_eq!(Host::new(host), None, "{host}");
            assert!(of_url(host).is_none_or(|url| url != host || !is_named_host(host)), "{host}");
        }
    }

    #[test]
    fn hosts_that_a_url_can_have_are_read() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "api.example.com",
            "API.example.com.",
            "a_b.example",
            "localhost",
            "xn--bcher-kva.example",
            "XN--BCHER-KVA.example",
            "xn--fiqs8s",
            "xn--ls8h.la",
            "xn--80ak6aa92e.com",
            "xn--j1ail",
            "1.example",
            "0x7f.example",
            "a-.b",
        ] {
            let read = Host::new(host);
            assert!(
                read.is_some_and(|read| of_url(host).is_some_and(|host| read.is(&host))),
                "{host}"
            );
        }
    }

    /// The first is of [RFC 3492](https://www.rfc-editor.org/rfc/rfc3492#section-7.1).
    /// Section 6.1 of RFC 3492 divides above `((base - tmin) * tmax) / 2`, which is 455.
    #[test]
    fn biases_adapt_by_the_rfc() {
        assert_eq!([adapted(910, 456, false), adapted(912, 457, false)], [33, 45]);
    }

    #[test]
    fn labels_decode_to_their_text() {
        for (label, text) in [
            ("ihqwcrb4cv8a8dqg056pqjye", "他们为什么不说中文"),
            ("bcher-kva", "bücher"),
            ("80ak6aa92e", "аррӏе"),
            ("fiqs8s", "中国"),
        ] {
            let decoded: Option<String> = decode_label(label).map(|text| text.iter().collect());
            assert_eq!(decoded.as_deref(), Some(text));
        }
    }

    /// A host that clients connect to under this name must be possible as a target.
    #[test]
    fn encoded_labels_of_urls_are_all_read() {
        let mut found = 0;
        for code in (0x80..0x3000).chain(0x1_f300..0x1_f700).step_by(7) {
            let Some(char) = char::from_u32(code) else { continue };
            for text in [format!("{char}"), format!("a{char}b"), format!("x{char}{char}")] {
                let Some(host) = of_url(&text).filter(|host| host.contains("xn--")) else {
                    continue;
                };
                found += 1;
                assert!(Host::new(&host).is_some(), "{host}");
            }
        }
        assert!(found > 1_000, "{found}");
    }
}
