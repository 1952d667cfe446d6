//! Which URLs get trace headers, by targets, exceptions and the addresses of Sentry.

use super::authority::Authority;
use super::host::{Host, is_ambiguous};
use super::sentry::{SentryHost, Tunnel};
use super::{Kind, Target, TargetError};

/// Which URLs get trace headers.
#[derive(Debug, Default)]
pub(crate) struct TargetRules {
    /// `None`: every URL, except by the fields below.
    pub(crate) targets: Option<Matchers>,
    pub(crate) exceptions: Matchers,
    pub(crate) sentry: Option<SentryHost>,
    pub(crate) tunnel: Option<Tunnel>,
}

impl TargetRules {
    /// Whether every URL gets headers.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.targets.is_none()
            && self.exceptions.0.is_empty()
            && self.sentry.is_none()
            && self.tunnel.is_none()
    }

    /// Whether a request to this absolute URL gets trace headers.
    pub(crate) fn matches(&self, url: &str) -> bool {
        let split = Authority::split(url);
        let authority = split.as_ref().map(|(authority, _)| authority);
        let is = |matchers: &Matchers| matchers.0.iter().any(|it| it.matches(url, authority));
        let is_exception = || {
            self.exceptions.0.iter().any(|it| it.matches(url, authority) || it.may_match(authority))
        };
        let is_sentry = || {
            split.as_ref().is_some_and(|(authority, path)| {
                self.sentry.as_ref().is_some_and(|sentry| sentry.is(authority))
                    || self.tunnel.as_ref().is_some_and(|tunnel| tunnel.is(authority, path))
            })
        };
        self.targets.as_ref().is_none_or(is) && !is_exception() && !is_sentry()
    }
}

/// A checked list of [`Target`]s.
#[derive(Debug, Default)]
pub(crate) struct Matchers(Box<[Matcher]>);

impl Matchers {
    /// Checks the targets. The error has the first one that is malformed. An empty list matches nothing.
    pub(crate) fn new(
        targets: impl IntoIterator<Item = Target>,
    ) -> Result<Self, (Target, TargetError)> {
        let matchers = targets
            .into_iter()
            .map(|target| Matcher::new(&target).map_err(|error| (target, error)));
        Ok(Self(matchers.collect::<Result<_, _>>()?))
    }
}

#[derive(Debug)]
enum Matcher {
    Contains(Box<str>),
    Origin {
        scheme: Box<str>,
        host: Host,
        port: Option<u16>,
    },
    Host(Host),
    Domain(Host),
    #[cfg(feature = "regex")]
    Regex(regex_lite::Regex),
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
                Some(host @ Host::Name(_)) => Self::Domain(host),
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
            Self::Domain(domain) => authority.is_some_and(|at| domain.contains(at.host)),
            #[cfg(feature = "regex")]
            Self::Regex(regex) => regex.is_match(url),
        }
    }

    /// Whether a typed target may be the host of a URL that clients repair before they use it.
    fn may_match(&self, authority: Option<&Authority<'_>>) -> bool {
        let is_typed = matches!(self, Self::Origin { .. } | Self::Host(_) | Self::Domain(_));
        is_typed && authority.is_none_or(|at| is_ambiguous(at.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(targets: impl IntoIterator<Item = Target>) -> TargetRules {
        TargetRules { targets: Some(Matchers::new(targets).unwrap()), ..TargetRules::default() }
    }

    fn matching<'a>(target: Target, urls: &[&'a str]) -> Vec<&'a str> {
        let targets = rules([target]);
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
        // The end of an address is no domain.
        let addresses = ["http://127.0.0.1/", "http://1.127.0.0.1/"];
        assert_eq!(matching(Target::domain("127.0.0.1"), &addresses), &addresses[..1]);
    }

    #[test]
    fn dots_at_the_end_of_hosts_are_ignored() {
        let dotted = ["https://api.example.com./a", "https://API.EXAMPLE.COM.:443"];
        for url in dotted {
            for target in [
                Target::host("api.example.com"),
                Target::host("api.example.com."),
                Target::domain("example.com"),
                Target::domain("example.com."),
                Target::origin("https://api.example.com"),
                Target::origin("https://api.example.com./"),
            ] {
                assert_eq!(matching(target, &[url]), [url]);
            }
        }
        let others = ["https://api.example.com../", "https://./", "https://com./"];
        assert_eq!(matching(Target::domain("example.com"), &others), [""; 0]);
        assert_eq!(matching(Target::host("127.0.0.1"), &["http://127.0.0.1./"]).len(), 1);
    }

    #[test]
    fn exceptions_have_priority_over_targets() {
        let except = |targets: Option<Target>, exception: Target| TargetRules {
            targets: targets.map(|target| Matchers::new([target]).unwrap()),
            exceptions: Matchers::new([exception]).unwrap(),
            ..TargetRules::default()
        };
        let own = || Some(Target::domain("example.com"));
        for (targets, exception, url, gets) in [
            (own(), Target::host("cdn.example.com"), "https://api.example.com/", true),
            (own(), Target::host("cdn.example.com"), "https://cdn.example.com/", false),
            (own(), Target::host("cdn.example.com"), "https://CDN.example.com.:8443/", false),
            (own(), Target::host("cdn.example.com"), "https://other.test/", false),
            (None, Target::domain("third.test"), "https://api.third.test/", false),
            (None, Target::domain("third.test"), "https://api.other.test/", true),
            (None, Target::origin("https://a.test"), "http://a.test/", true),
            (None, Target::origin("https://a.test"), "https://a.test/x", false),
            (None, Target::contains("/login"), "https://a.test/login?a", false),
            (None, Target::contains("/login"), "/login", false),
            // Clients repair these URLs, to those of the exception or to others.
            (None, Target::host("127.0.0.1"), "http://127.1/", false),
            (None, Target::host("127.0.0.1"), "http://2130706433/", false),
            (None, Target::host("a.test"), "http:\\\\a.test/", false),
            (None, Target::host("a.test"), "http://%61.test/", false),
            (None, Target::contains("a.test"), "http://%61.test/", true),
        ] {
            assert_eq!(
                except(targets, exception.clone()).matches(url),
                gets,
                "{exception:?} {url}"
            );
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
        let (_, error) = Matchers::new([Target::regex("(")]).unwrap_err();
        assert!(matches!(error, TargetError::Regex(_)));
    }

    #[test]
    fn empty_lists_match_nothing() {
        let targets = rules([]);
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
            (Target::domain("example.com.."), TargetError::Host),
            (Target::domain("0.0.1"), TargetError::Host),
            (Target::host("127.1"), TargetError::Host),
            (Target::origin("http://2130706433"), TargetError::Origin),
            (Target::origin("http://xn--a"), TargetError::Origin),
            (Target::domain("[::1]"), TargetError::Host),
            (Target::origin("https://.example.com"), TargetError::Origin),
        ] {
            assert_eq!(Matchers::new([target]).unwrap_err().1, error);
        }
    }
}
