//! Decides whether a cache may show a response again without asking. A trace must not be in such a response.

use super::response_headers::ResponseHeaders;
use super::shared_cache::{
    Directives, SHARED_CACHE_HEADERS, has_age, is_storable_by_shared_caches,
};

/// The status codes that are heuristically cacheable, by
/// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-15.1), and 304, which renews a kept response.
const KEPT_BY_A_GUESS: [u16; 13] =
    [200, 203, 204, 206, 300, 301, 304, 308, 404, 405, 410, 414, 501];

/// Whether a cache may show a response to a later visit without asking this service: a shared cache, such as a CDN, or
/// the visitor's own browser. The rules are those of [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111).
///
/// Such a response must have no trace in it, neither `Server-Timing` nor meta tags in its page: all these visits would
/// be one trace.
///
/// It is one that [shared caches may store](is_storable_by_shared_caches), or one with a lifetime of its own:
///
/// * a `max-age` or a `stale-while-revalidate` other than 0, also if it is `private`;
/// * without `max-age`, an `Expires` with a date;
/// * without both, a `Last-Modified`: browsers then guess a lifetime
///   ([section 4.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.2)).
///
/// `no-store`, `no-cache` and `max-age=0` make a response safe, unless shared caches may store it.
///
/// ```
/// # #[cfg(feature = "http")] {
/// use tracehop::hop::may_be_reused;
///
/// let headers = |name: &'static str, value: &'static str| {
///     let value = http::HeaderValue::from_static(value);
///     http::HeaderMap::from_iter([(http::HeaderName::from_static(name), value)])
/// };
/// assert!(may_be_reused(200, &headers("cache-control", "private, max-age=60")));
/// assert!(may_be_reused(200, &headers("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")));
/// assert!(!may_be_reused(200, &headers("cache-control", "no-cache")));
/// assert!(!may_be_reused(200, &http::HeaderMap::new()));
/// # }
/// ```
pub fn may_be_reused<H: ResponseHeaders + ?Sized>(status: u16, headers: &H) -> bool {
    SHARED_CACHE_HEADERS.iter().any(|name| is_storable_by_shared_caches(headers.lines(name)))
        || may_be_reused_by_browsers(status, headers)
}

fn may_be_reused_by_browsers<H: ResponseHeaders + ?Sized>(status: u16, headers: &H) -> bool {
    let (mut is_stored, mut understands, mut is_asked) = (true, false, false);
    let (mut has_max_age, mut has_lifetime) = (false, false);
    for (name, value) in headers.lines("cache-control").flat_map(Directives::new) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        is_stored &= !is("no-store");
        understands |= is("must-understand");
        is_asked |= is("no-cache") && value.is_none();
        has_max_age |= is("max-age");
        has_lifetime |= (is("max-age") || is("stale-while-revalidate")) && has_age(value);
    }
    // Caches that know the status ignore `no-store` beside `must-understand`.
    if is_asked || !is_stored && !understands {
        return false;
    }
    let mut expires = headers.lines("expires").peekable();
    // Values such as `0` and `-1` mean that it has expired.
    let is_date = |line: &[u8]| line.iter().any(u8::is_ascii_alphabetic);
    let is_guessed =
        || KEPT_BY_A_GUESS.contains(&status) && headers.lines("last-modified").next().is_some();
    has_lifetime
        || !has_max_age
            && if expires.peek().is_some() { expires.any(is_date) } else { is_guessed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lines(Vec<(&'static str, &'static str)>);

    impl ResponseHeaders for Lines {
        fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
            self.0.iter().filter(move |line| line.0 == name).map(|line| line.1.as_bytes())
        }
    }

    #[test]
    fn responses_with_a_lifetime_may_be_reused() {
        const MODIFIED: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        const EXPIRES: (&str, &str) = ("expires", "Fri, 06 Nov 2054 08:49:37 GMT");
        const ETAG: (&str, &str) = ("etag", "\"1\"");
        let control = |value| ("cache-control", value);
        for (headers, expected) in [
            (vec![], false),
            (vec![ETAG], false),
            (vec![MODIFIED], true),
            (vec![MODIFIED, ETAG], true),
            (vec![MODIFIED, control("private")], true),
            (vec![MODIFIED, control("must-revalidate")], true),
            (vec![MODIFIED, control("no-cache")], false),
            (vec![MODIFIED, control("No-Store")], false),
            (vec![MODIFIED, control("max-age=0")], false),
            (vec![MODIFIED, control("private, max-age=0, must-revalidate")], false),
            (vec![MODIFIED, control("no-cache=\"set-cookie\"")], true),
            (vec![control("private")], false),
            (vec![control("private, max-age=60")], true),
            (vec![control("private, no-cache, max-age=60")], false),
            (vec![control("private"), control("max-age=60")], true),
            (vec![control("max-age=60")], true),
            (vec![control("private, max-age=0, stale-while-revalidate=60")], true),
            (vec![control("private, immutable")], false),
            (vec![control("no-store, must-understand, private, max-age=60")], true),
            (vec![control("public")], true),
            (vec![control("no-store"), ("cdn-cache-control", "max-age=60")], true),
            (vec![EXPIRES], true),
            (vec![EXPIRES, control("private")], true),
            (vec![EXPIRES, control("no-cache")], false),
            (vec![EXPIRES, control("max-age=0")], false),
            (vec![("expires", "0")], false),
            (vec![("expires", "-1"), MODIFIED], false),
        ] {
            let response = Lines(headers);
            assert_eq!(may_be_reused(200, &response), expected, "{:?}", response.0);
        }
    }

    #[test]
    fn lifetimes_are_guessed_by_status() {
        for (status, guessed) in [(200, true), (304, true), (404, true), (302, false), (500, false)]
        {
            let modified = Lines(vec![("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
            assert_eq!(may_be_reused(status, &modified), guessed, "{status}");
            assert!(may_be_reused(status, &Lines(vec![("cache-control", "max-age=60")])));
        }
    }
}
