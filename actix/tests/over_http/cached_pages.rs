//! Responses that caches may show again without asking.

use actix_web::http::header::{
    CACHE_CONTROL, CDN_CACHE_CONTROL, EXPIRES, HeaderName, LAST_MODIFIED,
};
use actix_web::{App, HttpRequest, HttpResponse, web};
use tracehop_actix::{Trace, TracePropagation};

use crate::{header_lines, propagator, serve};

/// A page with the trace's values, and the cache headers that the request sends with the prefix `x-`.
async fn page(trace: Trace, request: HttpRequest) -> HttpResponse {
    let tags = tracehop_actix::tracehop::hop::trace_data_for_page(&trace);
    let mut response = HttpResponse::Ok();
    response.content_type("text/html");
    for (name, value) in cache_headers(&request) {
        response.append_header((name, value));
    }
    response.body(tags.sentry_trace().to_owned())
}

async fn page_without_tags(request: HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type("text/html");
    for (name, value) in cache_headers(&request) {
        response.append_header((name, value));
    }
    response.body("page")
}

fn cache_headers(request: &HttpRequest) -> Vec<(HeaderName, String)> {
    let lines = |name: HeaderName| {
        let lines = request.headers().get_all(format!("x-{name}"));
        let lines = lines.map(|line| line.to_str().unwrap().to_owned());
        lines.map(|line| (name.clone(), line)).collect::<Vec<_>>()
    };
    let surrogate_control = HeaderName::from_static("surrogate-control");
    let names = [CACHE_CONTROL, CDN_CACHE_CONTROL, surrogate_control, EXPIRES, LAST_MODIFIED];
    names.map(lines).concat()
}

#[actix_web::test]
async fn reusable_responses_have_no_server_timing() {
    let propagator = propagator();
    let server = serve!(move || {
        App::new()
            .wrap(TracePropagation::new(propagator.clone()).server_timing(true))
            .route("/", web::get().to(page_without_tags))
            .route("/tags", web::get().to(page))
    });
    let table: &[(&[&[u8]], usize)] = &[
        (&[], 1),
        (&[b"x-cache-control: no-store"], 1),
        (&[b"x-cache-control: no-cache"], 1),
        (&[b"x-cache-control: private"], 1),
        (&[b"x-cache-control: private, max-age=60"], 0),
        (&[b"x-last-modified: Sun, 06 Nov 1994 08:49:37 GMT"], 0),
        (&[b"x-last-modified: Sun, 06 Nov 1994 08:49:37 GMT", b"x-cache-control: no-cache"], 1),
        (&[b"x-expires: Fri, 06 Nov 2054 08:49:37 GMT"], 0),
        (&[b"x-expires: 0"], 1),
        (&[b"x-cache-control: Public"], 0),
        (&[b"x-cache-control: s-maxage=60"], 0),
        (&[b"x-cache-control: max-age=60, immutable"], 0),
        (&[b"x-cache-control: no-cache", b"x-cache-control: public"], 0),
        (&[b"x-cache-control: public", b"x-cache-control: private"], 1),
        (&[b"x-cache-control: private=\"set-cookie, x\", public"], 0),
        (&[b"x-cache-control: no-store", b"x-cdn-cache-control: max-age=60"], 0),
        (&[b"x-cache-control: no-store", b"x-surrogate-control: max-age=60"], 0),
    ];
    for (lines, count) in table {
        for path in ["/", "/tags"] {
            let response = server.get(path, lines).await;
            assert_eq!(header_lines(&response, "server-timing").len(), *count, "{response}");
        }
    }
}

#[actix_web::test]
async fn pages_renewed_by_304_get_fresh_server_timing() {
    let propagator = propagator();
    let server = serve!(move || {
        let not_modified = |content_type: Option<&'static str>| {
            move |request: HttpRequest| async move {
                let mut response = HttpResponse::NotModified();
                response.insert_header(("etag", "\"1\""));
                for (name, value) in cache_headers(&request) {
                    response.append_header((name, value));
                }
                content_type.map(|it| response.content_type(it));
                response.finish()
            }
        };
        App::new()
            .wrap(TracePropagation::new(propagator.clone()).server_timing(true))
            .route("/", web::get().to(not_modified(None)))
            .route("/html", web::get().to(not_modified(Some("text/html"))))
            .route("/css", web::get().to(not_modified(Some("text/css"))))
    });
    let table: &[(&str, &[&[u8]], usize)] = &[
        ("/", &[], 1),
        ("/", &[b"x-cache-control: no-cache"], 1),
        ("/", &[b"x-cache-control: max-age=60"], 0),
        ("/", &[b"x-last-modified: Sun, 06 Nov 1994 08:49:37 GMT"], 0),
        ("/html", &[], 1),
        ("/css", &[], 0),
    ];
    let mut traces = std::collections::HashSet::new();
    for (path, lines, count) in table {
        let response = server.get(path, lines).await;
        let timings = header_lines(&response, "server-timing");
        assert_eq!(timings.len(), *count, "{response}");
        assert!(timings.iter().all(|timing| traces.insert((*timing).to_owned())));
    }
}

#[cfg(feature = "tracing")]
mod warnings {
    use super::*;
    use crate::log::{Log, listen};
    use crate::status;

    #[actix_web::test]
    async fn reusable_pages_with_tags_warn_once_per_route() {
        let log = Log::default();
        let (propagator, writer) = (propagator(), log.clone());
        let server = serve!(move || {
            listen(writer.as_text());
            let app = App::new().wrap(TracePropagation::new(propagator.clone()));
            app.route("/warnings/cached/{id}", web::get().to(page))
                .route("/warnings/private/{id}", web::get().to(page))
                .route("/warnings/other", web::get().to(page))
                .route("/warnings/without", web::get().to(page_without_tags))
        });
        let public: &[u8] = b"x-cache-control: public";
        for (path, lines) in [
            ("/warnings/cached/1", public),
            ("/warnings/cached/2", public),
            ("/warnings/private/1", b"x-cache-control: private"),
            ("/warnings/private/2", b"x-other: 1"),
            ("/warnings/without", public),
            ("/warnings/other", public),
            ("/warnings/cached/3", public),
        ] {
            // The DSC of a continued trace does not need the route. The warning alone asks for it.
            let continued = b"sentry-trace: 771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
            assert_eq!(status(&server.get(path, &[lines, continued]).await), "200");
            assert_eq!(status(&server.get(path, &[lines]).await), "200");
        }
        let log = log.text();
        let warned: Vec<_> = log
            .lines()
            .filter(|line| line.contains("WARN") && line.contains("without asking"))
            .filter_map(|line| line.rsplit_once("route=").map(|(_, route)| route))
            .collect();
        assert_eq!(warned, ["\"/warnings/cached/{id}\"", "\"/warnings/other\""], "{log}");
    }
}
