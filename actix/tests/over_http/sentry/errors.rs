//! Errors, wherever in a request they are captured.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::dev::Service as _;
use actix_web::{App, HttpRequest, rt, web};
use futures_util::future::join_all;
use sentry_core::{Hub, SentryFutureExt as _};
use tokio::task::yield_now;
use tracehop_actix::tracehop::InTrace as _;
use tracehop_actix::{Trace, TracePropagation};

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
                    capture("behind");
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
    let expected =
        ["before", "handler", "awaited", "spawned", "in the trace", "blocking", "behind"];
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
