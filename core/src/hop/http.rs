//! The requests of the crate [`http`](https://docs.rs/http), as the kit sees them.

use std::borrow::Cow;
use std::net::IpAddr;

use ::http::header::HOST;
use ::http::request::Parts;
use ::http::{HeaderMap, Request, Uri};

use crate::recorder::{IncomingRequest, OutgoingRequest};
use crate::targets::RequestUrl;

/// The head of a request that a server answers, in the types of the crate [`http`](https://docs.rs/http).
///
/// ```
/// use tracehop::hop::{HttpRequest, ServerHop};
/// # use tracehop::Propagator;
///
/// # let propagator = Propagator::builder().build()?;
/// let (head, ()) = http::Request::get("/users/7").body(())?.into_parts();
/// let request = HttpRequest::new(&head, |head| {
///     head.uri.path().starts_with("/users/").then_some("/users/{id}")
/// });
/// let hop = ServerHop::start(&propagator, None, &head.headers, &request);
/// # hop.finish();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'r> {
    head: &'r Parts,
    route: fn(&Parts) -> Option<&str>,
    peer: fn(&Parts) -> Option<IpAddr>,
}

impl<'r> HttpRequest<'r> {
    /// Takes the head, and the function that finds the route in it. The function is called where the route has an
    /// effect.
    pub fn new(head: &'r Parts, route: fn(&Parts) -> Option<&str>) -> Self {
        Self { head, route, peer: |_| None }
    }

    /// Sets the function that finds the address of the peer. Servers keep it in the extensions, each in a type of its
    /// own.
    #[must_use]
    pub fn with_peer(mut self, peer: fn(&Parts) -> Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }
}

impl IncomingRequest for HttpRequest<'_> {
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        (self.route)(self.head).map(Cow::Borrowed)
    }

    fn url(&self) -> String {
        absolute(&self.head.uri, &self.head.headers)
    }

    fn each_header(&self, f: &mut dyn FnMut(&str, &[u8])) {
        let headers = self.head.headers.iter().filter(|(_, value)| !value.is_sensitive());
        headers.for_each(|(name, value)| f(name.as_str(), value.as_bytes()));
    }

    fn peer(&self) -> Option<IpAddr> {
        (self.peer)(self.head)
    }
}

impl<B> OutgoingRequest for Request<B> {
    fn method(&self) -> &str {
        self.method().as_str()
    }

    fn url(&self) -> Cow<'_, str> {
        Cow::Owned(absolute(self.uri(), self.headers()))
    }
}

impl<B> RequestUrl for Request<B> {
    fn as_url(&self) -> Cow<'_, str> {
        self.url()
    }
}

/// Returns the URL of a request. In HTTP/1.1 the host may be in the headers alone, and the scheme unknown: it is then
/// taken as `http`.
fn absolute(uri: &Uri, headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match host.filter(|_| uri.authority().is_none()) {
        Some(host) => {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            ["http://", host, path].concat()
        }
        None => uri.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_completed_by_the_host_header() {
        for (uri, host, expected) in [
            ("/a?b=1", Some("x.example:8080"), "http://x.example:8080/a?b=1"),
            ("https://y.example/a", Some("x.example"), "https://y.example/a"),
            ("https://y.example", None, "https://y.example/"),
            ("/a", None, "/a"),
            ("/a", Some("é"), "/a"),
            ("x.example:443", Some("y.example"), "x.example:443"),
        ] {
            let mut request = Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            assert_eq!(request.body(()).unwrap().url(), expected);
        }
    }

    #[test]
    fn incoming_requests_show_url_peer_and_headers_that_are_not_sensitive() {
        let mut secret = ::http::HeaderValue::from_static("hush");
        secret.set_sensitive(true);
        let request = Request::builder().uri("/a").header(HOST, "x.example").header("key", secret);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let request = HttpRequest::new(&head, |_| None).with_peer(|_| Some([127, 0, 0, 1].into()));
        let mut headers = Vec::new();
        request.each_header(&mut |name, value| headers.push((name.to_owned(), value.to_vec())));
        assert_eq!(headers, [("host".to_owned(), b"x.example".to_vec())]);
        assert_eq!(request.url(), "http://x.example/a");
        assert_eq!(request.peer(), Some([127, 0, 0, 1].into()));
    }
}
