//! Decides which requests get trace headers.

mod authority;
mod redaction;
mod request_url;

use std::error::Error;
use std::fmt;
use std::net::Ipv6Addr;

pub(crate) use authority::Authority;
use authority::{ipv6, is_named_host};
pub use redaction::redact_url;
pub use request_url::RequestUrl;

/// A place that trace headers may be sent to.
///
/// The typed targets ([`origin`](Self::origin), [`host`](Self::host), [`domain`](Self::domain)) compare scheme, host
/// and port of the URL. Use them. [`contains`](Self::contains), and `regex` with the feature of that name, are the
/// [`tracePropagationTargets`](https://develop.sentry.dev/sdk/foundations/trace-propagation/)
/// of the other SDKs. They search the text of the URL, so a listed host also matches in the query of
/// a third party's URL.
///
/// Typed targets are compared without regard to case, and never match a text that is not an absolute URL.
///
/// ```
/// use tracehop::{Propagator, Target};
///
/// let propagator = Propagator::builder()
///     .trace_propagation_targets([
///         Target::origin("https://api.example.com:8443"),
///         Target::host("stock.example.com"),
///         Target::domain("internal.example"),
///         Target::contains("/rpc/"),
///     ])
///     .build()?;
/// // A test of targets needs no network.
/// let trace = propagator.start_new_trace();
/// assert!(trace.propagates_to("https://eu.internal.example/stock"));
/// assert!(!trace.propagates_to("https://evil.test/?from=internal.example"));
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    kind: Kind,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Contains,
    Origin,
    Host,
    Domain,
    #[cfg(feature = "regex")]
    Regex,
}

impl Target {
    /// Matches every URL that contains this text anywhere.
    pub fn contains(text: impl Into<String>) -> Self {
        Self { kind: Kind::Contains, text: text.into() }
    }

    /// Matches every URL with this scheme, host and port: `https://api.example.com:8443`. A missing port is the
    /// default of the scheme.
    pub fn origin(origin: impl Into<String>) -> Self {
        Self { kind: Kind::Origin, text: origin.into() }
    }

    /// Matches every URL with this host, with any scheme and port: `api.example.com`, `127.0.0.1`, `[::1]`.
    pub fn host(host: impl Into<String>) -> Self {
        Self { kind: Kind::Host, text: host.into() }
    }

    /// Matches every URL whose host is this one or a subdomain of it: `example.com` matches `api.example.com` too.
    pub fn domain(domain: impl Into<String>) -> Self {
        Self { kind: Kind::Domain, text: domain.into() }
    }

    /// Matches every URL that this regular expression finds a match in, in the syntax of
    /// [`regex-lite`](https://docs.rs/regex-lite/latest/regex_lite/#syntax). Matching takes linear time.
    #[cfg(feature = "regex")]
    #[cfg_attr(docsrs, doc(cfg(feature = "regex")))]
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self { kind: Kind::Regex, text: pattern.into() }
    }

    /// Returns the text of the target.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Why a target cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// The text of [`Target::contains`] is empty, so that it would match every URL.
    Empty,
    /// The text of [`Target::origin`] is not a scheme, a host and at most a port.
    Origin,
    /// The text of [`Target::host`] or [`Target::domain`] is not a host.
    Host,
    /// The text of `Target::regex` is not a regular expression.
    Regex(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str(
                "an empty text matches every URL; \
                 to send headers with every request, leave the option out",
            ),
            Self::Origin => f.write_str(
                "an origin is a scheme, a host and at most a port: https://api.example.com:8443",
            ),
            Self::Host => f.write_str(
                "a host is a name in ASCII, such as api.example.com, or an address, such as \
                 127.0.0.1 or [::1], without scheme, port and path; a domain is such a name",
            ),
            Self::Regex(error) => write!(f, "not a regular expression: {error}"),
        }
    }
}

impl Error for TargetError {}

/// A checked list of [`Target`]s.
#[derive(Debug, Clone)]
pub(crate) struct TracePropagationTargets {
    matchers: Box<[Matcher]>,
}

#[derive(Debug, Clone)]
enum Matcher {
    Contains(Box<str>),
    Origin {
        scheme: Box<str>,
        host: Host,
        port: Option<u16>,
    },
    Host(Host),
    Domain(Box<str>),
    #[cfg(feature = "regex")]
    Regex(regex_lite::Regex),
}

#[derive(Debug, Clone)]
enum Host {
    Name(Box<str>),
    /// Compared as an address, because it has several spellings.
    Ipv6(Ipv6Addr),
}

impl TracePropagationTargets {
    /// Checks the targets, and returns the first one that is not what its kind needs. An empty list matches nothing.
    pub(crate) fn new(
        targets: impl IntoIterator<Item = Target>,
    ) -> Result<Self, (Target, TargetError)> {
        let matchers = targets
            .into_iter()
            .map(|target| Matcher::new(&target).map_err(|error| (target, error)))
            .collect::<Result<_, _>>()?;
        Ok(Self { matchers })
    }

    /// Whether a request to this absolute URL gets trace headers.
    pub(crate) fn matches(&self, url: &str) -> bool {
        let authority = Authority::split(url).map(|(authority, _)| authority);
        self.matchers.iter().any(|matcher| matcher.matches(url, authority.as_ref()))
    }
}

impl Matcher {
    fn new(target: &Target) -> Result<Self, TargetError> {
        let text = target.text.as_str();
        Ok(match target.kind {
            Kind::Contains if text.is_empty() => return Err(TargetError::Empty),
            Kind::Contains => Self::Contains(text.into()),
            Kind::Origin => match Authority::split(text) {
                Some((Authority { scheme, userinfo: None, host, port }, "" | "/")) => {
                    Self::Origin {
                        scheme: scheme.into(),
                        host: Host::new(host).ok_or(TargetError::Origin)?,
                        port,
                    }
                }
                _ => return Err(TargetError::Origin),
            },
            Kind::Host => Self::Host(Host::new(text).ok_or(TargetError::Host)?),
            Kind::Domain => match Host::new(text) {
                Some(Host::Name(name)) => Self::Domain(name),
                _ => return Err(TargetError::Host),
            },
            #[cfg(feature = "regex")]
            Kind::Regex => {
                let regex = regex_lite::Regex::new(text);
                Self::Regex(regex.map_err(|error| TargetError::Regex(error.to_string()))?)
            }
        })
    }

    fn matches(&self, url: &str, authority: Option<&Authority<'_>>) -> bool {
        match self {
            Self::Contains(text) => url.contains(&**text),
            Self::Origin { scheme, host, port } => authority.is_some_and(|at| {
                at.scheme.eq_ignore_ascii_case(scheme) && host.is(at.host) && at.port == *port
            }),
            Self::Host(host) => authority.is_some_and(|at| host.is(at.host)),
            Self::Domain(domain) => authority.is_some_and(|at| is_within(at.host, domain)),
            #[cfg(feature = "regex")]
            Self::Regex(regex) => regex.is_match(url),
        }
    }
}

impl Host {
    fn new(host: &str) -> Option<Self> {
        match ipv6(host) {
            Some(address) => Some(Self::Ipv6(address)),
            None => is_named_host(host).then(|| Self::Name(host.into())),
        }
    }

    fn is(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => host.eq_ignore_ascii_case(name),
            Self::Ipv6(address) => ipv6(host).as_ref() == Some(address),
        }
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    // Hosts are ASCII: every offset is between two characters.
    let Some(start) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    let (labels, end) = host.split_at(start);
    end.eq_ignore_ascii_case(domain)
        && (labels.is_empty() || labels.ends_with('.') && !ends_in_a_number(domain))
}

/// Whether clients read a name as an IPv4 address, which has more spellings than four decimal numbers:
/// <https://url.spec.whatwg.org/#ends-in-a-number-checker>.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_hex = hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_hex || last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching<'a>(target: Target, urls: &[&'a str]) -> Vec<&'a str> {
        let targets = TracePropagationTargets::new([target]).unwrap();
        urls.iter().copied().filter(|url| targets.matches(url)).collect()
    }

    const URLS: &[&str] = &[
        "https://api.example.com/users",
        "https://API.example.com:443",
        "https://api.example.com:8443/",
        "http://api.example.com/",
        "https://example.com/",
        "https://notexample.com/",
        "https://example.com.evil.test/",
        "https://evil.test/?to=https://api.example.com/",
        "https://api.example.com@evil.test/",
        "https://evil.test#@api.example.com/",
        "https://evil.test\\@api.example.com/",
        "http://127.0.0.1:3000/",
        "http://[::1]:3000/",
        "/users",
    ];

    #[test]
    fn origins_match_scheme_host_and_port() {
        let found = matching(Target::origin("HTTPS://api.example.com/"), URLS);
        assert_eq!(found, ["https://api.example.com/users", "https://API.example.com:443"]);
        let found = matching(Target::origin("https://api.example.com:8443"), URLS);
        assert_eq!(found, ["https://api.example.com:8443/"]);
    }

    #[test]
    fn hosts_match_with_every_scheme_and_port() {
        assert_eq!(matching(Target::host("api.example.com"), URLS), &URLS[..4]);
        assert_eq!(matching(Target::host("127.0.0.1"), URLS), ["http://127.0.0.1:3000/"]);
        for spelling in ["[::1]", "[0:0:0:0:0:0:0:1]"] {
            assert_eq!(matching(Target::host(spelling), URLS), ["http://[::1]:3000/"]);
        }
    }

    #[test]
    fn domains_match_subdomains_at_a_label() {
        assert_eq!(matching(Target::domain("example.com"), URLS), &URLS[..5]);
        // Clients read all of these as addresses.
        let addresses =
            ["http://127.0.0.1/", "http://004.1.0.1/", "http://1.0x7f/", "http://1.0X7F/"];
        for domain in ["0.0.1", "1.0.1", "1", "0x7f"] {
            assert_eq!(matching(Target::domain(domain), &addresses), [""; 0]);
        }
    }

    #[test]
    fn texts_match_anywhere_in_the_url() {
        assert_eq!(
            matching(Target::contains("/users"), URLS),
            ["https://api.example.com/users", "/users"]
        );
        assert_eq!(matching(Target::contains("to=https://api.example.com"), URLS).len(), 1);
    }

    #[cfg(feature = "regex")]
    #[test]
    fn regular_expressions_match_anywhere_in_the_url() {
        let found = matching(Target::regex(r"^https?://(127\.0\.0\.1|\[::1\])[:/]"), URLS);
        assert_eq!(found, ["http://127.0.0.1:3000/", "http://[::1]:3000/"]);
        let (_, error) = TracePropagationTargets::new([Target::regex("(")]).unwrap_err();
        assert!(matches!(error, TargetError::Regex(_)));
    }

    #[test]
    fn empty_lists_match_nothing() {
        let targets = TracePropagationTargets::new([]).unwrap();
        assert!(URLS.iter().all(|url| !targets.matches(url)));
    }

    #[test]
    fn malformed_targets_are_errors() {
        for (target, error) in [
            (Target::contains(""), TargetError::Empty),
            (Target::origin("api.example.com"), TargetError::Origin),
            (Target::origin("https://api.example.com/users"), TargetError::Origin),
            (Target::origin("https://user@api.example.com"), TargetError::Origin),
            (Target::host("https://api.example.com"), TargetError::Host),
            (Target::host("api.example.com:443"), TargetError::Host),
            (Target::host(""), TargetError::Host),
            (Target::host("bücher.example"), TargetError::Host),
            (Target::host("::1"), TargetError::Host),
            (Target::host("."), TargetError::Host),
            (Target::host("example..com"), TargetError::Host),
            (Target::domain("*.example.com"), TargetError::Host),
            (Target::domain(".example.com"), TargetError::Host),
            (Target::domain("example.com."), TargetError::Host),
            (Target::domain("[::1]"), TargetError::Host),
            (Target::origin("https://.example.com"), TargetError::Origin),
        ] {
            assert_eq!(TracePropagationTargets::new([target]).unwrap_err().1, error);
        }
    }
}
