//! Pages that a browser keeps in its own cache, each with other headers. A real browser then shows whether two visits
//! were in one trace.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::{
    CACHE_CONTROL, ContentType, ETAG, EXPIRES, HeaderName, IF_NONE_MATCH, LAST_MODIFIED,
};
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Responder, error};
use tracehop::Propagator;
use tracehop_actix::TracePropagation;

/// The headers of a page.
struct Case {
    name: &'static str,
    headers: &'static [(HeaderName, &'static str)],
    /// Whether a 304 has the type of the page.
    is_typed: bool,
}

const MODIFIED: (HeaderName, &str) = (LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT");

const CASES: [Case; 9] = [
    Case { name: "last-modified", headers: &[MODIFIED], is_typed: false },
    Case { name: "private", headers: &[(CACHE_CONTROL, "private"), MODIFIED], is_typed: false },
    Case { name: "max-age", headers: &[(CACHE_CONTROL, "private, max-age=60")], is_typed: false },
    Case {
        name: "expires",
        headers: &[(EXPIRES, "Fri, 06 Nov 2054 08:49:37 GMT")],
        is_typed: false,
    },
    Case { name: "private-alone", headers: &[(CACHE_CONTROL, "private")], is_typed: false },
    Case { name: "no-cache", headers: &[(CACHE_CONTROL, "no-cache"), MODIFIED], is_typed: false },
    Case { name: "no-store", headers: &[(CACHE_CONTROL, "no-store"), MODIFIED], is_typed: false },
    Case { name: "etag", headers: &[(ETAG, "\"1\"")], is_typed: false },
    Case { name: "etag-with-type", headers: &[(ETAG, "\"1\"")], is_typed: true },
];

/// The statuses that each page was answered with.
pub(crate) type Answers = Data<Mutex<BTreeMap<&'static str, Vec<u16>>>>;

/// `/cached` lists the names of the pages, `/cached/{name}` is a page, and `/cached/{name}/answers` has the statuses that
/// it was answered with.
pub(crate) fn routes(config: &mut ServiceConfig, propagator: Propagator) {
    config
        .route("/cached", web::get().to(|| async { Json(CASES.map(|case| case.name)) }))
        .route("/cached/{name}/answers", web::get().to(answers))
        .service(
            web::resource("/cached/{name}")
                .route(web::get().to(page))
                .wrap(TracePropagation::new(propagator).server_timing(true)),
        );
}

async fn page(
    name: Path<String>,
    request: HttpRequest,
    answers: Answers,
) -> actix_web::Result<HttpResponse> {
    let case = CASES.iter().find(|case| case.name == *name);
    let case = case.ok_or_else(|| error::ErrorNotFound(""))?;
    // The pages never change.
    let is_known = request.headers().contains_key(IF_NONE_MATCH);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    for (name, value) in case.headers {
        response.insert_header((name, *value));
    }
    if !is_known || case.is_typed {
        response.insert_header(ContentType::html());
    }
    let response = if is_known { response.finish() } else { response.body("<p>page") };
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    answers.entry(case.name).or_default().push(response.status().as_u16());
    Ok(response)
}

async fn answers(name: Path<String>, answers: Answers) -> impl Responder {
    let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    Json(answers.get(name.as_str()).cloned().unwrap_or_default())
}
