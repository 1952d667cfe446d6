//! The addresses that a service sends its events to. They get no trace headers.

use super::authority::Authority;
use super::host::Host;

/// The host of a DSN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentryHost {
    host: Host,
    /// `None`: every port.
    port: Option<u16>,
}

impl SentryHost {
    /// Takes the host of a DSN. With another port than the scheme's own, the machine may have other services on
    /// other ports, as in development: only that port is Sentry's.
    pub(crate) fn new(authority: &Authority<'_>) -> Option<Self> {
        let port = authority.port.filter(|port| !matches!(port, 80 | 443));
        Some(Self { host: Host::new(authority.host)?, port })
    }

    pub(super) fn is(&self, authority: &Authority<'_>) -> bool {
        self.host.is(authority.host) && (self.port.is_none() || self.port == authority.port)
    }
}

/// The URL that an application sends its events to instead of the DSN's host.
#[derive(Debug, Clone)]
pub(crate) struct Tunnel {
    host: Host,
    port: Option<u16>,
    path: Box<str>,
}

impl Tunnel {
    /// Reads the absolute URL of a tunnel.
    pub(crate) fn new(url: &str) -> Option<Self> {
        let (authority, path) = Authority::split(url)?;
        let host = Host::new(authority.host)?;
        Some(Self { host, port: authority.port, path: tunnel_path(path).into() })
    }

    pub(super) fn is(&self, authority: &Authority<'_>, path: &str) -> bool {
        self.host.is(authority.host)
            && self.port == authority.port
            && tunnel_path(path) == &*self.path
    }
}

/// Returns a path without query, fragment and a slash at its end.
fn tunnel_path(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::{Matchers, Target, TargetRules};

    #[test]
    fn sentry_itself_gets_no_headers() {
        let rules = |dsn: &str| TargetRules {
            targets: Some(Matchers::new([Target::contains("/")]).unwrap()),
            sentry: SentryHost::new(&Authority::split(dsn).unwrap().0),
            ..TargetRules::default()
        };
        for (dsn, url, gets) in [
            (
                "https://key@o1.ingest.sentry.io/1",
                "https://o1.ingest.sentry.io/api/1/envelope/",
                false,
            ),
            ("https://key@o1.ingest.sentry.io/1", "http://O1.ingest.sentry.io./", false),
            ("https://key@o1.ingest.sentry.io/1", "https://o1.ingest.sentry.io:8443/", false),
            ("https://key@o1.ingest.sentry.io/1", "https://user@o1.ingest.sentry.io/", false),
            ("https://key@o1.ingest.sentry.io/1", "https://o2.ingest.sentry.io/", true),
            ("https://key@o1.ingest.sentry.io/1", "https://a.test/?to=o1.ingest.sentry.io/", true),
            // A development machine has other services on other ports.
            ("http://key@127.0.0.1:9000/1", "http://127.0.0.1:9000/api/", false),
            ("http://key@127.0.0.1:9000/1", "http://127.0.0.1:8080/", true),
            ("http://key@[::1]:9000/1", "http://[0:0:0:0:0:0:0:1]:9000/", false),
        ] {
            assert_eq!(rules(dsn).matches(url), gets, "{dsn} {url}");
        }
    }

    #[test]
    fn tunnels_get_no_headers_but_their_hosts_do() {
        let tunnel = Tunnel::new("https://shop.example.com/tunnel/");
        let rules = TargetRules { tunnel, ..TargetRules::default() };
        for (url, gets) in [
            ("https://shop.example.com/tunnel", false),
            ("https://SHOP.example.com.:443/tunnel/?o=1#x", false),
            ("https://shop.example.com/", true),
            ("https://shop.example.com/tunnel/a", true),
            ("https://shop.example.com:8443/tunnel", true),
            ("https://other.example.com/tunnel", true),
        ] {
            assert_eq!(rules.matches(url), gets, "{url}");
        }
        for not_absolute in ["/tunnel", "shop.example.com/tunnel", "", "https://127.1/"] {
            assert!(Tunnel::new(not_absolute).is_none(), "{not_absolute}");
        }
    }
}
