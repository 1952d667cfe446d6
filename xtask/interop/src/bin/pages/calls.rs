//! Calls of pages, and what arrived of them.

use std::sync::{Mutex, PoisonError};

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};

/// The headers that are noted.
const NOTED: [&str; 7] = [
    "sentry-trace",
    "baggage",
    "content-type",
    "referer",
    "x-application",
    "hx-request",
    "access-control-request-headers",
];

/// A request that arrived.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    id: String,
    method: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// All calls so far.
#[derive(Debug)]
pub(crate) struct Calls {
    allowed_headers: String,
    arrived: Mutex<Vec<Call>>,
}

impl Calls {
    pub(crate) fn new(allowed_headers: String) -> Self {
        Self { allowed_headers, arrived: Mutex::default() }
    }

    fn note(&self, id: &str, request: &HttpRequest, body: &[u8]) {
        let body = String::from_utf8_lossy(body).into_owned();
        let (id, method) = (id.to_owned(), request.method().to_string());
        let call = Call { id, method, headers: noted(request.headers()), body };
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    fn take(&self, id: &str) -> Vec<Call> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.extract_if(.., |call| call.id == id).collect()
    }
}

/// Returns the noted headers. Several lines of a name stay separate.
fn noted(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    let lines = |name: &'static str| {
        let values = headers.get_all(name);
        values.map(move |value| (name, String::from_utf8_lossy(value.as_bytes()).into_owned()))
    };
    NOTED.into_iter().flat_map(lines).collect()
}

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/call/{id}", web::to(call))
        .route("/redirect/{id}", web::to(redirect))
        .route("/never/{id}", web::to(never))
        .route("/arrived/{id}", web::get().to(arrived));
}

/// Notes a call. Answers with its method and the length of its body.
async fn call(
    id: Path<String>,
    request: HttpRequest,
    body: Bytes,
    calls: Data<Calls>,
) -> HttpResponse {
    calls.note(&id, &request, &body);
    allowed(&calls, HttpResponse::Ok()).body(format!("{} {}", request.method(), body.len()))
}

#[derive(Debug, Deserialize)]
struct Redirect {
    to: String,
}

/// Notes a call, and redirects it to another URL.
async fn redirect(
    id: Path<String>,
    request: HttpRequest,
    body: Bytes,
    query: Query<Redirect>,
    calls: Data<Calls>,
) -> HttpResponse {
    calls.note(&id, &request, &body);
    let mut response = HttpResponse::TemporaryRedirect();
    response.insert_header(("location", query.to.as_str()));
    if request.method() == Method::OPTIONS {
        // A preflight may not be redirected.
        response = HttpResponse::Ok();
    }
    allowed(&calls, response).finish()
}

/// Notes a call, and never answers.
async fn never(
    id: Path<String>,
    request: HttpRequest,
    body: Bytes,
    calls: Data<Calls>,
) -> HttpResponse {
    calls.note(&id, &request, &body);
    if request.method() == Method::OPTIONS {
        return allowed(&calls, HttpResponse::Ok()).finish();
    }
    std::future::pending().await
}

fn allowed(
    calls: &Calls,
    mut response: actix_web::HttpResponseBuilder,
) -> actix_web::HttpResponseBuilder {
    response
        .insert_header(("access-control-allow-origin", "*"))
        .insert_header(("access-control-allow-methods", "*"))
        .insert_header(("access-control-allow-headers", calls.allowed_headers.as_str()))
        .insert_header(("cache-control", "no-store"));
    response
}

/// Returns the calls of an id, and forgets them.
async fn arrived(id: Path<String>, calls: Data<Calls>) -> impl Responder {
    Json(calls.take(&id))
}
