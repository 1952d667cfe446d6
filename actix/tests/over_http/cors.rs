use actix_cors::Cors;
use actix_web::{App, HttpResponse, web};
use tracehop_actix::{TRACE_HEADERS, TracePropagation};

use crate::{header_lines, propagator, serve, status};

#[actix_web::test]
async fn allowed_origins_may_send_every_trace_header() {
    let propagator = propagator();
    let server = serve!(move || {
        App::new()
            .route("/", web::get().to(HttpResponse::Ok))
            .wrap(TracePropagation::new(propagator.clone()))
            .wrap(
                Cors::default()
                    .allowed_origin("https://shop.example.com")
                    .allowed_methods(["GET"])
                    .allowed_headers(TRACE_HEADERS.iter().copied()),
            )
    });
    let preflight = |headers: &str| {
        format!(
            "OPTIONS / HTTP/1.1\r\nhost: x\r\nconnection: close\r\norigin: https://shop.example.com\r\n\
             access-control-request-method: GET\r\naccess-control-request-headers: {headers}\r\n\r\n"
        )
    };
    for header in TRACE_HEADERS {
        let response = server.send(preflight(header).as_bytes()).await;
        assert_eq!(status(&response), "200");
        let allowed = header_lines(&response, "access-control-allow-headers");
        assert!(allowed[0].split(", ").any(|name| name == *header), "{response}");
    }
    assert_eq!(status(&server.send(preflight("x-other").as_bytes()).await), "400");
}
