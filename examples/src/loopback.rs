use url::{Host, Url};

/// Whether the host of a URL is `localhost` or a loopback address.
pub(crate) fn is_on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_on_this_machine() {
        let is = |url: &str| is_on_this_machine(&Url::parse(url).unwrap());
        for url in [
            "http://127.0.0.1:8080",
            "http://localhost:3000",
            "http://[::1]",
            "https://localhost/x",
        ] {
            assert!(is(url), "{url}");
        }
        for url in ["http://example.com", "http://127.0.0.1.example.com", "file:///"] {
            assert!(!is(url), "{url}");
        }
    }
}
