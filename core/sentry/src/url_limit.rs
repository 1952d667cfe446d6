//! The length of URLs and header values in what is sent.

/// The largest number of bytes of a URL or a header value in a transaction, a span or an error. The rest is cut off.
const MAX_URL: usize = 2048;

/// Cuts a text that is too long, between two characters.
pub(crate) fn cut(url: &str) -> &str {
    let mut end = url.len().min(MAX_URL);
    while !url.is_char_boundary(end) {
        end -= 1;
    }
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_urls_are_cut_between_characters() {
        assert_eq!(cut("https://example.com/"), "https://example.com/");
        let long = "é".repeat(MAX_URL);
        assert_eq!(cut(&long).len(), MAX_URL);
        assert_eq!(cut(&format!("x{long}")).len(), MAX_URL - 1);
    }
}
