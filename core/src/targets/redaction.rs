//! Removes secrets from URLs.

use std::borrow::Cow;

/// Removes credentials, query and fragment from a URL, for logs and for spans that are sent.
///
/// A backslash in front of an `@` may be part of a password or start a path, and clients differ in how they read it. Of
/// such a URL only the scheme is kept.
///
/// ```
/// use tracehop::hop::redact_url;
///
/// let url = "https://user:hush@api.example.com:8443/stock?token=hush#hush";
/// assert_eq!(redact_url(url), "https://api.example.com:8443/stock");
/// ```
pub fn redact_url(url: &str) -> Cow<'_, str> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    // A colon after a slash belongs to the path.
    let behind_scheme = match url.find([':', '/']) {
        Some(at) if url[at..].starts_with(':') => at + 1,
        _ => 0,
    };
    let (scheme, rest) = url.split_at(behind_scheme);
    let Some(rest) = rest.strip_prefix("//") else {
        // A URL with a scheme and no authority, such as `data:`, may have a secret in its path.
        return Cow::Borrowed(if scheme.is_empty() { url } else { scheme });
    };
    let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    // Browsers end the authority at a backslash, others do not: what stands around it may be a path or a password.
    let (authority, path) = match path.strip_prefix('\\') {
        Some(behind) if behind.contains('@') => ("", ""),
        Some(_) => (authority, ""),
        None => (authority, path),
    };
    match authority.rsplit_once('@') {
        Some((_, host)) => Cow::Owned([scheme, "//", host, path].concat()),
        None => {
            let kept = scheme.len() + "//".len() + authority.len() + path.len();
            Cow::Borrowed(&url[..kept])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_no_secrets() {
        for (url, expected) in [
            ("https://example.com", "https://example.com"),
            ("https://example.com/a/b@c", "https://example.com/a/b@c"),
            ("https://example.com?q=1", "https://example.com"),
            ("https://example.com#f?g", "https://example.com"),
            ("https://a:b@example.com:1/p?q#f", "https://example.com:1/p"),
            ("https://a@b@example.com", "https://example.com"),
            ("http://[::1]:80/x?y", "http://[::1]:80/x"),
            ("https://a:hush@example.com\\b", "https://example.com"),
            ("https://a:hush@example.com\\@c", "https://"),
            ("https://x\\@user:hush@y/p", "https://"),
            ("https://user:hush\\x@y/p", "https://"),
            ("https://user:hu@sh\\x@y/p", "https://"),
            ("https://example.com/a\\b", "https://example.com/a\\b"),
            ("/path?q=1", "/path"),
            ("/a:b://c@d", "/a:b://c@d"),
            ("//user:hush@example.com/a", "//example.com/a"),
            ("data:text/plain,hush", "data:"),
            ("data:text/plain,https://hush", "data:"),
            ("https:user:hush@example.com", "https:"),
            ("https:\\\\user:hush@example.com", "https:"),
            ("file:///a?b", "file:///a"),
            ("unix://hush@a%7Fb/%0a?hush", "unix://a%7Fb/%0a"),
            ("", ""),
        ] {
            assert_eq!(redact_url(url), expected);
        }
    }
}
