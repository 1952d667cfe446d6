//! The headers of a response, as a server hop reads them.

/// The headers of a response, of any framework.
pub trait ResponseHeaders {
    /// Returns the lines of a header. The name is in lower case.
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]>;
}

#[cfg(feature = "http")]
impl ResponseHeaders for http::HeaderMap {
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
    }
}

#[cfg(feature = "actix-http")]
impl ResponseHeaders for actix_http::header::HeaderMap {
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).map(actix_http::header::HeaderValue::as_bytes)
    }
}
