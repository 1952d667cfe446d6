//! Decides whether shared caches may store a response. A trace must not be in such a response.

/// The response headers by which shared caches decide. Ask
/// [`is_storable_by_shared_caches`] about each of them: a cache that knows the later ones ignores the first.
///
/// `Cache-Control` is from [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111#section-5.2), `CDN-Cache-Control` from
/// [RFC 9213](https://www.rfc-editor.org/rfc/rfc9213), and `Surrogate-Control` from the older
/// [Edge Architecture Specification](https://www.w3.org/TR/edge-arch/).
pub const SHARED_CACHE_HEADERS: &[&str] =
    &["cache-control", "cdn-cache-control", "surrogate-control"];

/// Whether a shared cache, such as a CDN, may store a response and give it to others.
///
/// `lines` are those of the `Cache-Control` of the response
/// ([RFC 9111](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2)), or of another of the [`SHARED_CACHE_HEADERS`].
///
/// [`may_be_reused`](super::may_be_reused) asks this as well, and has the rules for browsers.
///
/// A response is storable if it says `public`, `s-maxage`, `immutable`, or a `max-age` other than 0. It is not
/// storable if it says `no-store`, or `private` without a list of headers. A response that says none of these counts as
/// not storable, because nearly all pages say none. `no-cache` and `must-revalidate` make no difference.
///
/// ```
/// use tracehop::hop::is_storable_by_shared_caches;
///
/// assert!(is_storable_by_shared_caches([&b"public, max-age=600"[..]]));
/// assert!(!is_storable_by_shared_caches([&b"private, max-age=600"[..]]));
/// assert!(!is_storable_by_shared_caches([]));
/// ```
pub fn is_storable_by_shared_caches<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut storable = false;
    for (name, value) in lines.into_iter().flat_map(Directives::new) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("no-store") || is("private") && value.is_none() {
            return false;
        }
        storable |=
            is("public") || is("s-maxage") || is("immutable") || is("max-age") && has_age(value);
    }
    storable
}

/// Whether the value of a directive is an age other than 0.
pub(super) fn has_age(value: Option<&[u8]>) -> bool {
    value.is_some_and(|age| !age.iter().all(|byte| matches!(byte, b'0' | b'"')))
}

/// Iterates over the directives of a line and their values as written.
pub(super) struct Directives<'a>(&'a [u8]);

impl<'a> Directives<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self(line)
    }
}

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

/// Finds the next comma outside of a quoted string. A quote that is never closed does not count, so that the text
/// after it is not overlooked.
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
    fn responses_are_storable_if_they_say_so() {
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
            // Only some headers are private.
            (&["private=\"set-cookie\", s-maxage=60"], true),
            (&["private=set-cookie, s-maxage=60"], true),
            // Quoted text is a value.
            (&["private=\"set-cookie, x-public\""], false),
            (&["no-cache=\"a, public, b\""], false),
            (&["extension=\"\\\", public\""], false),
            (&["extension=\"\\\", public, b\""], false),
            (&["extension=\"no-store\", public"], true),
            (&["extension=\"\\\\\", public"], true),
            (&["extension=\"never closed, public"], true),
            (&["extension=\"never closed", "public"], true),
            (&["extension=\"never closed, private", "public"], false),
            (&["extension=\\, public"], true),
            (&["extension=\\\"a, public, b\""], false),
            (&["no-store=\"never closed, public"], false),
            (&["extension=no-store, public"], true),
            // Directives are whole words.
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
