//! Actix-web's request, as the kit sees it.

use std::borrow::Cow;
use std::cell::OnceCell;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{HttpMessage as _, HttpRequest};
use tracehop::hop::ServerHop;
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

    fn client_address(&self) -> Option<Cow<'_, str>> {
        let address = self.request.connection_info().realip_remote_addr().map(str::to_owned);
        address.map(Cow::Owned)
    }
}

/// Returns the context that was kept with a request.
pub(crate) fn known_context(request: &HttpRequest) -> Option<PropagationContext> {
    request.extensions().get::<PropagationContext>().cloned()
}

/// The headers that a trace came in, once a position of ours has taken their place.
struct Received(HeaderMap);

/// Calls a function with the headers that a trace came in.
pub(crate) fn with_received_headers<R>(
    request: &HttpRequest,
    f: impl FnOnce(&HeaderMap) -> R,
) -> R {
    // Taken out, because the function may look into the extensions as well.
    let received = request.extensions_mut().remove::<Received>();
    let result = f(received.as_ref().map_or(request.headers(), |received| &received.0));
    if let Some(received) = received {
        request.extensions_mut().insert(received);
    }
    result
}

/// Puts the position of a hop into the headers of its request, and keeps those that came.
pub(crate) fn write_position(hop: &ServerHop, request: &mut ServiceRequest) {
    let is_kept = request.extensions().contains::<Received>();
    if !is_kept {
        let mut received = HeaderMap::new();
        for name in Field::ALL.iter().map(|field| HeaderName::from_static(field.name())) {
            for value in request.headers().get_all(&name) {
                received.append(name.clone(), value.clone());
            }
        }
        request.extensions_mut().insert(Received(received));
    }
    hop.inject_position(request.headers_mut());
}
