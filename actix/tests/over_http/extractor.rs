use actix_web::{App, web};
use tracehop_actix::Trace;

use crate::{SENTRY_TRACE, TRACE_ID, body, propagator, serve, status};

async fn report(trace: Trace, again: Trace) -> String {
    assert_eq!(trace.span_id(), again.span_id());
    format!("{} {}", trace.trace_id(), trace.dsc().transaction().unwrap_or_default())
}

#[actix_web::test]
async fn the_extractor_works_without_the_middleware() {
    let propagator = propagator();
    let shared = propagator.clone();
    let as_data = serve!(move || {
        App::new().app_data(web::Data::new(shared.clone())).route("/a/{b}", web::get().to(report))
    });
    let plain = serve!(move || {
        App::new().app_data(propagator.clone()).route("/a/{b}", web::get().to(report))
    });
    for server in [as_data, plain] {
        let response = server.get("/a/1", &[SENTRY_TRACE.as_bytes()]).await;
        assert_eq!(body(&response), format!("{TRACE_ID} "));
        let response = server.get("/a/1", &[]).await;
        assert!(body(&response).ends_with(" GET /a/{b}"), "{response}");
    }
}

#[actix_web::test]
async fn a_missing_propagator_is_named_in_the_error() {
    let server = serve!(|| App::new().route("/", web::get().to(report)));
    let response = server.get("/", &[SENTRY_TRACE.as_bytes()]).await;
    assert_eq!(status(&response), "500");
    assert_eq!(
        body(&response),
        "no trace for this request: wrap the App in `tracehop_actix::TracePropagation`, \
         or give it a `Propagator` with `App::app_data`"
    );
}
