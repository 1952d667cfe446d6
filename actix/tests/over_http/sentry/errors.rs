//! Errors, wherever in a request they are captured.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service as _, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpMessage as _, HttpRequest, rt, web};
use futures_util::future::join_all;
use sentry_core::{Hub, SentryFutureExt as _};
use tokio::task::yield_now;
use tracehop_actix::tracehop::InTrace as _;
use tracehop_actix::{Trace, TracePropagation};
use tracehop_envelopes::Capture;
use tracehop_sentry::SentryRecorder;

use super::{bind, capture, options, outgoing, read, recording, sampling, transactions, work};
use crate::{body, serve};

async fn everywhere() -> String {
    capture("handler");
    async {
        yield_now().await;
        capture("awaited");
    }
    .await;
    let spawned = async { capture("spawned") };
    rt::spawn(spawned.bind_hub(Hub::current())).await.unwrap();
    // The context carries the hub of the request.
    rt::spawn(async { capture("in the trace") }.in_current_trace()).await.unwrap();
    let hub = Hub::current();
    web::block(move || Hub::run(hub, || capture("blocking"))).await.unwrap();
    outgoing()
}

#[actix_web::test]
async fn errors_carry_the_trace_wherever_captured() {
    let (propagator, envelopes, client) = recording(options(), sampling());
    let server = serve!(move || {
        bind(&client);
        App::new()
            .route("/all/{id}", web::get().to(everywhere))
            .wrap_fn(|request, service| {
                capture("before");
                let response = service.call(request);
                async {
                    let response = response.await;
                    capture("after");
                    response
                }
            })
            .wrap(TracePropagation::new(propagator.clone()))
    });
    let path = "/all/7?token=hush";
    let secrets: [&[u8]; 2] = [b"authorization: Bearer hush", b"cookie: session=hush"];
    let (trace_id, span_id, _, dsc) = read(body(&server.get(path, &secrets).await));
    let sent = envelopes.take();
    let messages: Vec<_> = sent
        .iter()
        .filter(|sent| !sent.is_transaction())
        .map(|sent| sent.payload["message"].as_str().unwrap())
        .collect();
    let expected = ["before", "handler", "awaited", "spawned", "in the trace", "blocking", "after"];
    assert_eq!(messages, expected);
    for sent in &sent {
        assert_eq!(sent.trace("trace_id"), trace_id);
        assert_eq!(sent.trace("span_id"), span_id);
        assert_eq!(sent.dsc(), dsc);
        if sent.payload["message"] != "in the trace" {
            let request = &sent.payload["request"];
            assert_eq!(request["method"], "GET");
            assert_eq!(request["url"], "http://x/all/7");
            let headers = serde_json::json!({ "connection": "close", "host": "x" });
            assert_eq!(request["headers"], headers);
            assert_eq!(sent.payload["transaction"], "GET /all/{id}");
        }
    }
    let data = &transactions(&sent)[0].payload["contexts"]["trace"]["data"];
    let expected = serde_json::json!({
        "http.request.method": "GET",
        "http.route": "/all/{id}",
        "http.response.status_code": 200,
    });
    assert_eq!(*data, expected);
}

#[actix_web::test]
async fn concurrent_requests_never_share_a_trace() {
    let (propagator, envelopes, client) = recording(options(), sampling());
    let server = serve!(move || {
        bind(&client);
        let handler = async |request: HttpRequest| {
            let id = request.match_info().query("id").to_owned();
            Hub::current().configure_scope(|scope| scope.set_tag("id", &id));
            for _ in 0..20 {
                yield_now().await;
            }
            capture(&id);
            format!("{id}\n{}", outgoing())
        };
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/{id}", web::get().to(handler))
    });
    let server = &server;
    let answers =
        join_all((0..300).map(|id| async move { server.get(&format!("/{id}"), &[]).await }));
    let mut traces = HashMap::new();
    for answer in answers.await {
        let (id, answer) = body(&answer).split_once('\n').unwrap();
        let (trace_id, span_id, _, dsc) = read(answer);
        traces.insert(id.to_owned(), (trace_id, span_id, dsc));
    }
    let sent = envelopes.take();
    assert_eq!((traces.len(), sent.len()), (300, 600));
    for sent in &sent {
        let id = sent.payload["tags"]["id"].as_str().unwrap();
        let (trace_id, span_id, dsc) = &traces[id];
        assert_eq!((sent.trace("trace_id"), sent.trace("span_id")), (&**trace_id, &**span_id));
        assert_eq!(sent.dsc(), *dsc);
        if !sent.is_transaction() {
            assert_eq!(sent.payload["message"], id);
        }
    }
}

#[actix_web::test]
async fn requests_without_a_recorder_are_not_recorded() {
    let (_, envelopes, client) = recording(options(), sampling());
    let propagator = options().build().unwrap();
    let server = serve!(move || {
        let worker = bind(&client);
        let handler = async |trace: Trace, request: HttpRequest, worker: web::Data<Arc<Hub>>| {
            assert!(Arc::ptr_eq(&Hub::current(), &worker));
            assert!(request.headers().get("sentry-trace").is_none());
            work(trace).await
        };
        App::new()
            .app_data(web::Data::new(worker))
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/", web::get().to(handler))
    });
    let (trace_id, ..) = read(body(&server.get("/", &[]).await));
    let sent = envelopes.take();
    assert_eq!(sent.len(), 1);
    assert_ne!(sent[0].trace("trace_id"), trace_id);
}

#[actix_web::test]
async fn hub_of_a_request_is_in_its_extensions() {
    let (propagator, _, client) = recording(options(), sampling());
    let server = serve!(move || {
        bind(&client);
        let handler = async |request: HttpRequest| {
            let hub = request.extensions().get::<Arc<Hub>>().cloned();
            hub.is_some_and(|hub| Arc::ptr_eq(&hub, &Hub::current())).to_string()
        };
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/", web::get().to(handler))
    });
    assert_eq!(body(&server.get("/", &[]).await), "true");
}

#[actix_web::test]
async fn errors_of_handlers_are_captured_once() {
    async fn fail(status: web::Path<u16>) -> actix_web::Result<&'static str> {
        let status = actix_web::http::StatusCode::from_u16(*status).unwrap();
        Err(actix_web::error::InternalError::new("no stock", status).into())
    }
    async fn capture_and_fail() -> actix_web::Result<&'static str> {
        let error = actix_web::error::ErrorBadGateway("no stock");
        Hub::current().capture_event(sentry_core::event_from_error(&error));
        Err(error)
    }

    for captures in [true, false] {
        let (recorder, envelopes) = (SentryRecorder::new(), Capture::default());
        let recorder = recorder.capture_server_errors(captures);
        let hub = envelopes.hub(sampling(), |transport| recorder.transport(transport));
        let client = hub.client().unwrap();
        let propagator = options().recorder(recorder).build().unwrap();
        let server = serve!(move || {
            bind(&client);
            App::new()
                .wrap(TracePropagation::new(propagator.clone()))
                .route("/fail/{status}", web::get().to(fail))
                .route("/captured", web::get().to(capture_and_fail))
        });
        for (path, expected) in [
            ("/fail/404", 0),
            ("/fail/500", usize::from(captures)),
            ("/fail/503", usize::from(captures)),
            ("/captured", 1),
        ] {
            server.get(path, &[]).await;
            let sent = envelopes.take();
            let errors: Vec<_> = sent.iter().filter(|sent| !sent.is_transaction()).collect();
            assert_eq!(errors.len(), expected, "{path}");
            for error in errors {
                let exception = &error.payload["exception"]["values"][0];
                assert_eq!(exception["value"], "no stock");
                assert_eq!(error.trace("trace_id"), transactions(&sent)[0].trace("trace_id"));
            }
        }
    }
}

#[actix_web::test]
async fn clones_of_the_request_cause_no_panic() {
    async fn keep(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        let kept = request.request().clone();
        let response = next.call(request).await;
        drop(kept);
        response
    }

    let (propagator, _, client) = recording(options(), sampling());
    let server = serve!(move || {
        bind(&client);
        let resource = web::resource("/{id}")
            .route(web::get().to(async || "done"))
            .wrap(TracePropagation::new(propagator.clone()))
            .wrap(from_fn(keep));
        App::new().service(resource)
    });
    assert_eq!(body(&server.get("/7", &[]).await), "done");
}
