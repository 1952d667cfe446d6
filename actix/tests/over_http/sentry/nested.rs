//! The middleware within itself.

use actix_web::dev::Service as _;
use actix_web::{App, HttpRequest, web};
use sentry_core::Hub;
use tracehop_actix::TracePropagation;

use super::{BAGGAGE, PARENT, TRACE_ID, bind, client, options, read, sampling, transactions, work};
use crate::{SENTRY_TRACE, body, serve};

#[actix_web::test]
async fn a_request_that_passes_the_middleware_twice_has_one_transaction() {
    let propagator = options().build().unwrap();
    for outer in [true, false] {
        let (recorder, client) = client(&propagator, sampling());
        let propagator = propagator.clone();
        let server = serve!(move || {
            bind(&client);
            let middleware = TracePropagation::new(propagator.clone());
            let scope = web::scope("/inner")
                .wrap(middleware.clone().sentry(true))
                .route("/{id}", web::get().to(work));
            App::new().wrap(middleware.sentry(outer)).service(scope)
        });
        let lines = [SENTRY_TRACE.as_bytes(), BAGGAGE];
        let (trace_id, span_id, ..) = read(body(&server.get("/inner/7", &lines).await));
        let sent = recorder.take();
        assert_eq!(sent.len(), 2);
        for sent in &sent {
            assert_eq!(sent.trace("trace_id"), trace_id);
            assert_eq!(sent.trace("span_id"), span_id);
            assert_eq!(sent.trace("parent_span_id"), PARENT);
        }
        assert_eq!(trace_id, TRACE_ID);
    }
}

#[actix_web::test]
async fn another_propagator_further_in_reads_what_the_caller_wrote_and_has_its_own_transaction() {
    // A tenant of this organisation, and one of another.
    for (dsn, is_continued) in
        [("https://tenant@o7.example/1", true), ("https://tenant@o8.example/1", false)]
    {
        let outer = options().build().unwrap();
        let inner = crate::options().dsn(dsn).build().unwrap();
        // Each has a client of its own, since envelopes go to one of them.
        let (outer_sent, outer_client) = client(&outer, sampling());
        let (inner_sent, inner_client) = client(&inner, sampling());
        let server = serve!(move || {
            bind(&outer_client);
            let inner_client = inner_client.clone();
            let scope = web::scope("/tenant")
                .wrap(TracePropagation::new(inner.clone()).sentry(true))
                .wrap_fn(move |request, service| {
                    Hub::current().bind_client(Some(inner_client.clone()));
                    service.call(request)
                })
                .route("", web::get().to(work));
            App::new().wrap(TracePropagation::new(outer.clone()).sentry(true)).service(scope)
        });
        let lines = [SENTRY_TRACE.as_bytes(), BAGGAGE];
        let (trace_id, span_id, _, dsc) = read(body(&server.get("/tenant", &lines).await));
        assert_eq!(trace_id == TRACE_ID, is_continued);
        assert_eq!(dsc.contains("public_key=tenant"), !is_continued);
        let sent = inner_sent.take();
        assert_eq!(sent.len(), 2);
        for sent in &sent {
            assert_eq!(sent.trace("trace_id"), trace_id);
            assert_eq!(sent.trace("span_id"), span_id);
            assert_eq!(sent.trace("parent_span_id"), if is_continued { PARENT } else { "" });
            assert_eq!(sent.dsc(), dsc);
        }
        let sent = outer_sent.take();
        let [transaction] = &*transactions(&sent) else { panic!("{sent:#?}") };
        assert_eq!(transaction.trace("trace_id"), TRACE_ID);
        assert_eq!(transaction.trace("parent_span_id"), PARENT);
        assert!(transaction.dsc().contains("replay_id"));
    }
}

#[actix_web::test]
async fn further_in_the_headers_say_where_this_service_is() {
    let propagator = options().build().unwrap();
    let (_recorder, client) = client(&propagator, sampling());
    let server = serve!(move || {
        bind(&client);
        let handler = async |request: HttpRequest| {
            let line = |name| {
                let values = request.headers().get_all(name).map(|value| value.to_str().unwrap());
                values.collect::<Vec<_>>().join("|")
            };
            format!("{}\n{}\n{}", line("sentry-trace"), line("baggage"), super::outgoing())
        };
        App::new()
            .wrap(TracePropagation::new(propagator.clone()).sentry(true))
            .route("/", web::get().to(handler))
    });
    let baggage = std::str::from_utf8(BAGGAGE).unwrap().strip_prefix("baggage: ").unwrap();
    for (lines, expected) in [
        (vec![SENTRY_TRACE.as_bytes(), BAGGAGE], baggage),
        (vec![], "sentry-org_id=7"),
        (vec![&b"baggage: a=1,sentry-org_id=8"[..]], "a=1,sentry-org_id=7"),
    ] {
        let response = server.get("/", &lines).await;
        let mut said = body(&response).lines();
        let (position, baggage, outgoing) = (said.next(), said.next(), said.next());
        assert_eq!(position, outgoing);
        assert_eq!(baggage, Some(expected));
    }
}
