//! Two of these middlewares, one inside of the other.

use actix_web::dev::Service as _;
use actix_web::{App, HttpRequest, web};
use sentry_core::Hub;
use tracehop_actix::TracePropagation;

use super::{
    BAGGAGE, PARENT, TRACE_ID, bind, options, read, recording, sampling, transactions, work,
};
use crate::{SENTRY_TRACE, body, serve};

#[actix_web::test]
async fn requests_through_two_middlewares_have_one_transaction() {
    {
        let (propagator, envelopes, client) = recording(options(), sampling());
        let server = serve!(move || {
            bind(&client);
            let middleware = TracePropagation::new(propagator.clone());
            let scope =
                web::scope("/inner").wrap(middleware.clone()).route("/{id}", web::get().to(work));
            App::new().wrap(middleware).service(scope)
        });
        let lines = [SENTRY_TRACE.as_bytes(), BAGGAGE];
        let (trace_id, span_id, ..) = read(body(&server.get("/inner/7", &lines).await));
        let sent = envelopes.take();
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
async fn an_inner_propagator_reads_the_received_headers() {
    // A tenant of this organisation, and one of another.
    for (dsn, is_continued) in [
        ("https://tenant00000000000000000000000000@o7.example/1", true),
        ("https://tenant00000000000000000000000000@o8.example/1", false),
    ] {
        // Each propagator has a client of its own, so that the test sees which of them recorded.
        let (outer, outer_sent, outer_client) = recording(options(), sampling());
        let (inner, inner_sent, inner_client) = recording(crate::options().dsn(dsn), sampling());
        let server = serve!(move || {
            bind(&outer_client);
            let inner_client = inner_client.clone();
            let scope = web::scope("/tenant")
                .wrap(TracePropagation::new(inner.clone()))
                .wrap_fn(move |request, service| {
                    Hub::current().bind_client(Some(inner_client.clone()));
                    service.call(request)
                })
                .route("", web::get().to(work));
            App::new().wrap(TracePropagation::new(outer.clone())).service(scope)
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
async fn inner_middleware_sees_our_position_in_headers() {
    let (propagator, _envelopes, client) = recording(options(), sampling());
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
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/", web::get().to(handler))
    });
    let baggage = std::str::from_utf8(BAGGAGE).unwrap().strip_prefix("baggage: ").unwrap();
    for (lines, expected) in [
        (vec![SENTRY_TRACE.as_bytes(), BAGGAGE], baggage),
        (vec![], "sentry-org_id=7"),
        (vec![&b"baggage: a=1,sentry-org_id=8"[..]], "a=1,sentry-org_id=7"),
    ] {
        let response = server.get("/", &lines).await;
        let mut answer = body(&response).lines();
        let (position, baggage, outgoing) = (answer.next(), answer.next(), answer.next());
        assert_eq!(position, outgoing);
        assert_eq!(baggage, Some(expected));
    }
}
