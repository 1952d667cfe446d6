use actix_web::body::{None, SizedStream};
use actix_web::http::header::ContentType;
use actix_web::web::Bytes;
use actix_web::{App, Error, HttpResponse, error, web};
use futures_util::StreamExt as _;
use tracehop_actix::{Trace, TracePropagation};

use crate::{SENTRY_TRACE, TRACE_ID, body, header_lines, propagator, serve, status};

async fn html(trace: Trace) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .append_header(("server-timing", "db;dur=53"))
        .body(trace.span_id().to_string())
}

#[actix_web::test]
async fn html_gets_server_timing_by_option() {
    let propagator = propagator();
    let server = serve!(move || {
        let on = TracePropagation::new(propagator.clone()).server_timing(true);
        let off = TracePropagation::new(propagator.clone());
        let json = async |_: Trace| HttpResponse::Ok().json(());
        App::new()
            .service(
                web::scope("/on")
                    .wrap(on)
                    .route("/html", web::get().to(html))
                    .route("/json", web::get().to(json))
                    .route("/none", web::get().to(async || HttpResponse::NoContent())),
            )
            .service(web::scope("/off").wrap(off).route("/html", web::get().to(html)))
    });
    let lines = [SENTRY_TRACE.as_bytes(), b"baggage: sentry-sample_rand=0.5"];
    for (path, count) in [("/on/html", 2), ("/on/json", 0), ("/on/none", 0), ("/off/html", 1)] {
        let response = server.get(path, &lines).await;
        let timings = header_lines(&response, "server-timing");
        assert_eq!(timings.len(), count, "{path}");
        if count == 2 {
            let span_id = body(&response);
            assert_eq!(
                timings[1],
                format!(
                    "sentry-trace;desc=\"{TRACE_ID}-{span_id}-1\", baggage;desc=\"sentry-sample_rand=0.5\""
                )
            );
        }
    }
}

#[actix_web::test]
async fn server_timing_is_added_once_to_html_only() {
    let propagator = propagator();
    let server = serve!(move || {
        let on = || TracePropagation::new(propagator.clone()).server_timing(true);
        let html =
            async || HttpResponse::NotFound().content_type("Text/HTML; charset=utf-8").body("x");
        let other = async || HttpResponse::Ok().content_type("text/htmlx").body("x");
        App::new().wrap(on()).service(
            web::scope("/in")
                .wrap(on())
                .route("/html", web::get().to(html))
                .route("/htmlx", web::get().to(other)),
        )
    });
    for (path, count) in [("/in/html", 1), ("/in/htmlx", 0)] {
        let response = server.get(path, &[]).await;
        assert_eq!(header_lines(&response, "server-timing").len(), count, "{path}");
    }
}

#[actix_web::test]
async fn errors_of_handlers_and_middleware_are_passed_on() {
    let propagator = propagator();
    let server = serve!(move || {
        App::new()
            .service(
                web::scope("/middleware")
                    .wrap_fn(|_, _| async {
                        Err::<actix_web::dev::ServiceResponse, _>(error::ErrorForbidden("no entry"))
                    })
                    .route("/", web::get().to(HttpResponse::Ok)),
            )
            .route(
                "/handler",
                web::get()
                    .to(async || Err::<HttpResponse, _>(error::ErrorImATeapot("short and stout"))),
            )
            .wrap(TracePropagation::new(propagator.clone()).server_timing(true))
    });
    for (path, code, text) in [
        ("/handler", "418", "short and stout"),
        ("/middleware/", "403", "no entry"),
        ("/nowhere", "404", ""),
    ] {
        let response = server.get(path, &[SENTRY_TRACE.as_bytes()]).await;
        assert_eq!((status(&response), body(&response)), (code, text), "{path}");
    }
}

#[actix_web::test]
async fn every_kind_of_body_arrives_unchanged() {
    fn in_turn() -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
        futures_util::stream::iter(["in ", "turn"])
            .map(|part| Ok(Bytes::from_static(part.as_bytes())))
    }
    fn routes(config: &mut web::ServiceConfig) {
        let streamed = async || HttpResponse::Ok().streaming(in_turn());
        let sized = async || HttpResponse::Ok().body(SizedStream::new(7, in_turn()));
        config
            .route("/whole", web::get().to(async || "whole"))
            .route("/empty", web::get().to(async || ""))
            .route("/none", web::get().to(async || HttpResponse::Ok().body(None::new())))
            .route("/streamed", web::get().to(streamed))
            .route("/sized", web::get().to(sized));
    }
    let without = serve!(move || App::new().configure(routes));
    let with =
        serve!(move || { App::new().configure(routes).wrap(TracePropagation::new(propagator())) });
    // A scope puts the body that its middleware returns into a `BoxBody`.
    let in_scope = serve!(move || {
        let propagation = TracePropagation::new(propagator());
        App::new().service(web::scope("").configure(routes).wrap(propagation))
    });
    let without_date = |response: String| {
        let lines = response.lines().filter(|line| !line.starts_with("date: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for (path, last_line) in [
        ("/whole", "whole"),
        ("/empty", ""),
        ("/none", ""),
        ("/streamed", "0"),
        ("/sized", "in turn"),
    ] {
        let expected = without_date(without.get(path, &[]).await);
        for server in [&with, &in_scope] {
            assert_eq!(without_date(server.get(path, &[]).await), expected, "{path}");
        }
        assert!(expected.iter().any(|line| line == last_line), "{expected:?}");
    }
}
