use actix_web::{App, HttpResponse, guard, web};
use tracehop_actix::{Trace, TracePropagation};

use crate::{SENTRY_TRACE, TRACE_ID, body, options, propagator, serve, status};

async fn transaction(trace: Trace) -> String {
    trace.dsc().transaction().unwrap_or_default().into_owned()
}

#[actix_web::test]
async fn transactions_are_named_by_route_never_by_path() {
    let propagator = propagator();
    let server =
        serve!(move || {
            App::new()
                .wrap(TracePropagation::new(propagator.clone()))
                .route("/", web::get().to(transaction))
                .route("/users/{id}", web::get().to(transaction))
                .service(web::scope("/api/{version}").service(
                    web::resource("/orders/{order:\\d+}").route(web::get().to(transaction)),
                ))
                .default_service(web::to(transaction))
        });
    for (path, name) in [
        ("/", "GET /"),
        ("/users/7", "GET /users/{id}"),
        ("/users/7?name=x", "GET /users/{id}"),
        ("/api/v1/orders/42", "GET /api/{version}/orders/{order:\\d+}"),
        ("/no/such/page", ""),
    ] {
        assert_eq!(body(&server.get(path, &[]).await), name, "{path}");
    }
}

#[actix_web::test]
async fn the_extractor_corrects_names_after_guards() {
    let propagator = propagator();
    let server = serve!(move || {
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .service(
                web::resource("/r/{one}").guard(guard::Post()).route(web::post().to(transaction)),
            )
            .service(
                web::resource("/r/{two}").guard(guard::Get()).route(web::get().to(transaction)),
            )
    });
    assert_eq!(body(&server.get("/r/1", &[]).await), "GET /r/{two}");
}

#[actix_web::test]
async fn unknown_methods_name_no_transaction() {
    let propagator = propagator();
    let server = serve!(move || {
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/users/{id}", web::to(transaction))
    });
    let request = "EVIL /users/7 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let response = server.send(request.as_bytes()).await;
    assert_eq!((status(&response), body(&response)), ("200", ""));
}

#[actix_web::test]
async fn scopes_with_another_propagator_use_its_options() {
    let tenant = |org_id: u64| options().org_id(org_id).build().unwrap();
    let (first, second) = (tenant(1), tenant(2));
    let server = serve!(move || {
        let organisation = async |trace: Trace| {
            let current = tracehop_actix::PropagationContext::current().unwrap();
            assert_eq!(current.span_id(), trace.span_id());
            trace.dsc().org_id().unwrap_or_default().into_owned()
        };
        App::new()
            .wrap(TracePropagation::new(first.clone()))
            .route("/", web::get().to(organisation))
            .service(
                web::scope("/second")
                    .wrap(TracePropagation::new(second.clone()))
                    .route("/", web::get().to(organisation)),
            )
    });
    assert_eq!(body(&server.get("/", &[]).await), "1");
    assert_eq!(body(&server.get("/second/", &[]).await), "2");
}

#[actix_web::test]
async fn the_sampler_sees_the_route() {
    let propagator = options()
        .traces_sampler(|context| if context.name() == Some("GET /health") { 0.0 } else { 1.0 })
        .build()
        .unwrap();
    let server = serve!(move || {
        let decision = async |trace: Trace| format!("{:?}", trace.sampled());
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/health", web::get().to(decision))
            .route("/work", web::get().to(decision))
    });
    assert_eq!(body(&server.get("/health", &[]).await), "Some(false)");
    assert_eq!(body(&server.get("/work", &[]).await), "Some(true)");
}

#[actix_web::test]
async fn requests_continue_from_all_header_lines() {
    let propagator = propagator();
    let server = serve!(move || {
        let report = async |trace: Trace| {
            let parent = trace.parent_span_id().unwrap();
            format!("{} {parent} {:?} {}", trace.trace_id(), trace.sampled(), trace.dsc().as_str())
        };
        App::new().wrap(TracePropagation::new(propagator.clone())).route("/", web::get().to(report))
    });
    let lines = [
        SENTRY_TRACE.as_bytes(),
        SENTRY_TRACE.as_bytes(),
        b"baggage: other=1,sentry-sample_rand=0.5",
        b"Baggage: sentry-release=a%2Fb",
    ];
    assert_eq!(
        body(&server.get("/", &lines).await),
        format!(
            "{TRACE_ID} b72fa28504b07285 Some(true) sentry-sample_rand=0.5,sentry-release=a%2Fb"
        )
    );
}

#[actix_web::test]
async fn requests_through_two_middlewares_have_one_trace() {
    let propagator = propagator();
    let server = serve!(move || {
        let inner = propagator.clone();
        App::new().wrap(TracePropagation::new(propagator.clone())).service(
            web::scope("/in").wrap(TracePropagation::new(inner)).route(
                "/",
                web::get().to(async |trace: Trace| {
                    let current = tracehop_actix::PropagationContext::current().unwrap();
                    assert_eq!(current.span_id(), trace.span_id());
                    HttpResponse::Ok().finish()
                }),
            ),
        )
    });
    assert_eq!(status(&server.get("/in/", &[]).await), "200");
}
