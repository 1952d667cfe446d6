//! Which responses shared caches may keep: a trace must not be in them, as all visitors would get it.

#[cfg(feature = "tracing")]
use std::collections::HashSet;
#[cfg(feature = "tracing")]
use std::sync::{Mutex, PoisonError};

/// Pages that were warned of, by their route.
#[derive(Default)]
pub(crate) struct SharedPages {
    #[cfg(feature = "tracing")]
    known: Mutex<HashSet<String>>,
}

impl SharedPages {
    /// More routes than a service has: what an application says is one may have no end.
    #[cfg(feature = "tracing")]
    const MAX: usize = 1_000;

    /// Warns once of each route.
    #[cfg(feature = "tracing")]
    pub(crate) fn warn(&self, route: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < Self::MAX && !known.contains(route) {
            known.insert(route.to_owned());
            drop(known);
            tracing::warn!(
                route = ?route,
                "a page with a trace's tags in it may be kept by shared caches, and would give its trace to \
                 every visitor: leave the tags out, or make it `Cache-Control: private`"
            );
        }
    }

    #[cfg(not(feature = "tracing"))]
    pub(crate) fn warn(&self, _: &str) {}
}

/// The response headers whose lines [`is_storable_by_shared_caches`] is to be asked about, each by itself: a shared cache
/// that knows the later ones goes by them, whatever the first says.
///
/// `Cache-Control` is of [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111#section-5.2), `CDN-Cache-Control` of
/// [RFC 9213](https://www.rfc-editor.org/rfc/rfc9213), and `Surrogate-Control` what CDNs had before, of the
/// [Edge Architecture Specification](https://www.w3.org/TR/edge-arch/).
pub const SHARED_CACHE_HEADERS: [&str; 3] =
    ["cache-control", "cdn-cache-control", "surrogate-control"];

/// Whether a shared cache, such as a CDN, may store a response and give it to others, by the lines of its
/// `Cache-Control` ([RFC 9111](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2)), or of a header with the same
/// directives: see [`SHARED_CACHE_HEADERS`].
///
/// Such a response must have no trace in it: no `Server-Timing`, and no meta tags in its page.
///
/// It may if it says so: by `public`, `s-maxage`, `immutable`, or a `max-age` that is not 0. It may not, whatever
/// else it says, if it is `no-store`, or `private` as a whole, and not only some of its headers. A response that
/// says nothing of it, `no-cache` and `must-revalidate` included, counts as one that may not, as almost no page
/// does otherwise.
///
/// ```
/// use tracehop::is_storable_by_shared_caches;
///
/// assert!(is_storable_by_shared_caches([&b"public, max-age=600"[..]]));
/// assert!(!is_storable_by_shared_caches([&b"private, max-age=600"[..]]));
/// assert!(!is_storable_by_shared_caches([]));
/// ```
pub fn is_storable_by_shared_caches<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut storable = false;
    for (name, value) in lines.into_iter().flat_map(Directives) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("no-store") || is("private") && value.is_none() {
            return false;
        }
        let has_age =
            || value.is_some_and(|age| !age.iter().all(|byte| matches!(byte, b'0' | b'"')));
        storable |= is("public") || is("s-maxage") || is("immutable") || is("max-age") && has_age();
    }
    storable
}

/// The directives of a line, with their values as they are written.
struct Directives<'a>(&'a [u8]);

impl<'a> Iterator for Directives<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (directive, rest) = self.0.split_at(end_of_directive(self.0));
        self.0 = rest.get(1..).unwrap_or_default();
        let mut parts = directive.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii();
        Some((name, parts.next().map(<[u8]>::trim_ascii)))
    }
}

/// Where the next comma is that does not stand in a quoted string. Quotes that are never closed are none: what is
/// behind them must not be overlooked.
fn end_of_directive(line: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let is_end = |byte: &u8| {
        let was_escaped = std::mem::take(&mut escaped);
        match byte {
            b'"' if !was_escaped => quoted = !quoted,
            b'\\' if quoted && !was_escaped => escaped = true,
            _ => (),
        }
        *byte == b',' && !quoted
    };
    let end = line.iter().position(is_end);
    let first_comma = || line.iter().position(|byte| *byte == b',').filter(|_| quoted);
    end.or_else(first_comma).unwrap_or(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_storable_if_it_says_so_and_nothing_forbids_it() {
        let table: &[(&[&str], bool)] = &[
            (&[], false),
            (&[""], false),
            (&["public"], true),
            (&["PUBLIC"], true),
            (&["Public , Max-Age=0"], true),
            (&["s-maxage=60"], true),
            (&["S-MaxAge=0"], true),
            (&["immutable"], true),
            (&["max-age=31536000, immutable"], true),
            (&["max-age=60"], true),
            (&["max-age=\"60\""], true),
            (&["max-age=060"], true),
            (&["max-age=0"], false),
            (&["max-age=00"], false),
            (&["max-age=\"0\""], false),
            (&["max-age=0, must-revalidate"], false),
            (&["max-age"], false),
            (&["no-cache"], false),
            (&["no-cache, public"], true),
            (&["must-revalidate"], false),
            (&["stale-while-revalidate=60"], false),
            (&["private"], false),
            (&["private, max-age=60"], false),
            (&["public, private"], false),
            (&["PRIVATE", "public"], false),
            (&["public", "no-store"], false),
            (&["max-age=60", "No-Store"], false),
            (&["no-cache", "max-age=60"], true),
            // Only some of its headers are private.
            (&["private=\"set-cookie\", s-maxage=60"], true),
            (&["private=set-cookie, s-maxage=60"], true),
            // What stands in quotes is a value.
            (&["private=\"set-cookie, x-public\""], false),
            (&["no-cache=\"a, public, b\""], false),
            (&["extension=\"\\\", public\""], false),
            (&["extension=\"no-store\", public"], true),
            (&["extension=\"\\\\\", public"], true),
            (&["extension=\"never closed, public"], true),
            (&["extension=\"never closed", "public"], true),
            (&["extension=\"never closed, private", "public"], false),
            (&["extension=\\, public"], true),
            (&["extension=no-store, public"], true),
            // Directives are words of their own.
            (&["publicly, s-maxages=1, x-immutable"], false),
            (&["not-private, public"], true),
            (&["public=1"], true),
            (&[" \tpublic\t"], true),
            (&[",,public,,"], true),
            (&["public;max-age=60"], false),
        ];
        for (lines, expected) in table {
            let storable = is_storable_by_shared_caches(lines.iter().map(|line| line.as_bytes()));
            assert_eq!(storable, *expected, "{lines:?}");
        }
        assert!(is_storable_by_shared_caches([&b"\xff=\"\xfe\", public"[..]]));
    }
}
