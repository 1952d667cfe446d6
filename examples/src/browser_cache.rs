//! Pages that a browser keeps in its own cache, each with other headers. A real browser then shows whether two visits
//! were in one trace.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use actix_web::dev::Server;
use actix_web::http::header::{
    CACHE_CONTROL, ContentType, ETAG, EXPIRES, HeaderName, IF_NONE_MATCH, LAST_MODIFIED,
};
use actix_web::web::{Data, Html, Json, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, error, web};
use askama::Template;
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
type Log = Data<Mutex<BTreeMap<&'static str, Vec<u16>>>>;

/// Serves the pages on a socket: `/` has all of them in frames, `/answers` returns the statuses of each.
///
/// # Errors
///
/// The socket cannot be listened on.
pub fn serve(listener: TcpListener) -> anyhow::Result<Server> {
    let propagator = Propagator::builder().build()?;
    let log = Log::default();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&log))
            .route("/", web::get().to(all))
            .route("/answers", web::get().to(answers))
            .service(
                web::resource("/pages/{name}")
                    .route(web::get().to(page))
                    .wrap(TracePropagation::new(propagator.clone()).server_timing(true)),
            )
    });
    Ok(server.workers(1).listen(listener)?.run())
}

async fn page(
    name: Path<String>,
    request: HttpRequest,
    log: Log,
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
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.entry(case.name).or_default().push(response.status().as_u16());
    Ok(response)
}

#[derive(Template)]
#[template(path = "browser_cache.html")]
struct All<'a> {
    cases: &'a [Case],
}

async fn all() -> actix_web::Result<impl Responder> {
    let page = All { cases: &CASES }.render().map_err(error::ErrorInternalServerError)?;
    Ok(Html::new(page).customize().insert_header((CACHE_CONTROL, "no-store")))
}

async fn answers(log: Log) -> impl Responder {
    Json(log.lock().unwrap_or_else(PoisonError::into_inner).clone())
}
