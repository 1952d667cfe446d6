//! Actix-web's request, as the kit sees it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use actix_web::{HttpMessage as _, HttpRequest};
use tracehop::recorder::IncomingRequest;
use tracehop::{Field, PropagationContext};

/// The request headers that a trace travels in, for the `allowed_headers` of
/// [actix-cors](https://docs.rs/actix-cors).
pub const TRACE_HEADERS: &[&str] = &{
    let mut names = [""; Field::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Field::ALL[at].name();
        at += 1;
    }
    names
};

/// A request as the kit sees it.
pub(crate) struct Incoming<'r> {
    request: &'r HttpRequest,
    /// Actix-web matches the path again each time that it is asked.
    route: OnceCell<Option<String>>,
}

impl<'r> Incoming<'r> {
    pub(crate) fn new(request: &'r HttpRequest) -> Self {
        Self { request, route: OnceCell::new() }
    }
}

impl IncomingRequest for Incoming<'_> {
    fn method(&self) -> &str {
        self.request.method().as_str()
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        let route = self.route.get_or_init(|| self.request.match_pattern());
        route.as_deref().map(Cow::Borrowed)
    }

    fn url(&self) -> String {
        let info = self.request.connection_info();
        let path = self.request.uri().path_and_query().map_or("/", |path| path.as_str());
        [info.scheme(), "://", info.host(), path].concat()
    }

    fn each_header(&self, f: &mut dyn FnMut(&str, &[u8])) {
        let headers = self.request.headers().iter().filter(|(_, value)| !value.is_sensitive());
        headers.for_each(|(name, value)| f(name.as_str(), value.as_bytes()));
    }

    fn peer(&self) -> Option<IpAddr> {
        self.request.peer_addr().map(|address| address.ip())
    }
}

/// Returns the context that the middleware or the extractor put into a request's extensions.
pub(crate) fn known_context(request: &HttpRequest) -> Option<PropagationContext> {
    request.extensions().get::<PropagationContext>().cloned()
}
