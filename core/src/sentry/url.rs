//! What of a URL may be told.

use std::borrow::Cow;

/// A URL without credentials, query and fragment, where people put what is nobody's business.
///
/// ```
/// use tracehop::sentry::without_secrets;
///
/// let url = "https://user:hush@api.example.com:8443/stock?token=hush#hush";
/// assert_eq!(without_secrets(url), "https://api.example.com:8443/stock");
/// ```
pub fn without_secrets(url: &str) -> Cow<'_, str> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return Cow::Borrowed(url);
    };
    // What browsers take for the end of the authority as well.
    let end = rest.find(['/', '\\']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => Cow::Owned([scheme, "://", &rest[at + 1..]].concat()),
        None => Cow::Borrowed(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_left_of_a_url() {
        for (url, expected) in [
            ("https://example.com", "https://example.com"),
            ("https://example.com/a/b@c", "https://example.com/a/b@c"),
            ("https://example.com?q=1", "https://example.com"),
            ("https://example.com#f?g", "https://example.com"),
            ("https://a:b@example.com:1/p?q#f", "https://example.com:1/p"),
            ("https://a@b@example.com", "https://example.com"),
            ("http://[::1]:80/x?y", "http://[::1]:80/x"),
            ("https://a:b@example.com\\@c", "https://example.com\\@c"),
            ("/path?q=1", "/path"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), expected);
        }
    }
}
