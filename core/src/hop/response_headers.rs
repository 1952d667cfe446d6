//! The headers of a response, as a server hop reads them.

/// The headers of a response, of any framework.
pub trait ResponseHeaders {
    /// Returns the lines of a header. The name is in lower case.
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]>;
}

/// Returns the [status of a gRPC call](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses),
/// which is in the trailers, or in the head of a response without a body.
pub(super) fn grpc_status<H: ResponseHeaders + ?Sized>(headers: &H) -> Option<u8> {
    std::str::from_utf8(headers.lines("grpc-status").next()?).ok()?.parse().ok()
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
