//! What clients see, with the layer and without it.

use axum::body::Body;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::{Method, StatusCode};
use tower_http::cors::CorsLayer;
use tower_http::services::ServeDir;
use tracehop::hop::trace_data_for_page;
use tracehop::{Field, PropagationContext};

use crate::{BAGGAGE, SENTRY_TRACE, Server, TRACE_ID, VERSIONS, layer, propagator};

async fn html(Extension(trace): Extension<PropagationContext>) -> Response {
    ([("server-timing", "db;dur=53")], Html(trace.span_id().to_string())).into_response()
}

#[tokio::test]
async fn html_gets_server_timing_by_option() {
    let cached = async || ([("cache-control", "public")], Html("x"));
    let routes = || {
        Router::new()
            .route("/html", get(html))
            .route("/cached", get(cached))
            .route("/json", get(async || "{}"))
            .route("/none", get(async || StatusCode::NO_CONTENT))
            .route("/kept", get(async || StatusCode::NOT_MODIFIED))
    };
    let app = Router::new()
        .nest("/on", routes().layer(layer(&propagator()).server_timing(true)))
        .nest("/off", routes().layer(layer(&propagator())));
    let server = Server::start(app).await;
    for (path, count) in [
        ("/on/html", 2),
        ("/on/cached", 0),
        ("/on/json", 0),
        ("/on/none", 0),
        ("/on/kept", 1),
        ("/off/html", 1),
    ] {
        let answer = server.get(false, path, &[SENTRY_TRACE, BAGGAGE]).await;
        let timings = answer.lines("server-timing");
        assert_eq!(timings.len(), count, "{path}");
        if count == 2 {
            let span_id = &answer.body;
            let expected = format!(
                "sentry-trace;desc=\"{TRACE_ID}-{span_id}-1\", baggage;desc=\"sentry-sample_rand=0.5\""
            );
            assert_eq!(timings[1], expected);
        }
    }
}

#[tokio::test]
async fn server_timing_is_added_once() {
    let propagator = propagator();
    let on = || layer(&propagator).server_timing(true);
    let page = async |Extension(trace): Extension<PropagationContext>| {
        Html(trace_data_for_page(&trace).sentry_trace().to_owned())
    };
    let app = Router::new().route("/", get(page)).layer(on()).layer(on());
    let answer = Server::start(app).await.get(true, "/", &[]).await;
    assert_eq!(answer.lines("server-timing").len(), 1);
}

#[tokio::test]
async fn no_header_fails_a_request() {
    let handler =
        async |Extension(trace): Extension<PropagationContext>| trace.is_continued().to_string();
    let app = Router::new().route("/", get(handler)).layer(layer(&propagator()));
    let server = Server::start(app).await;
    let long = "sentry-a=1,".repeat(1_000);
    for version in VERSIONS {
        let table = [
            (vec![("sentry-trace", "é"), BAGGAGE], false),
            (vec![("sentry-trace", ""), BAGGAGE], false),
            (vec![SENTRY_TRACE, SENTRY_TRACE], true),
            (vec![SENTRY_TRACE, ("sentry-trace", "1-2-3")], false),
            (vec![SENTRY_TRACE, ("baggage", &*long)], true),
            (vec![SENTRY_TRACE, ("baggage", "=;,\"%zz%é")], true),
            (vec![("traceparent", "00-x"), ("tracestate", ",=,")], false),
        ];
        for (index, (headers, is_continued)) in table.into_iter().enumerate() {
            let answer = server.get(version, "/", &headers).await;
            assert_eq!(answer.status, 200, "{index}");
            assert_eq!(answer.body, is_continued.to_string(), "{index}");
        }
    }
}

#[tokio::test]
async fn every_kind_of_response_arrives_unchanged() {
    let stream = || {
        let chunks = ["in ", "turn"].map(Ok::<_, std::convert::Infallible>);
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    let routes = || {
        Router::new()
            .route("/whole", get(async || "whole"))
            .route("/empty", get(async || ""))
            .route("/none", get(async || StatusCode::NO_CONTENT))
            .route("/streamed", get(async move || stream()))
            .route("/sized", get(async move || ([("content-length", "7")], stream())))
            .route("/failed", get(async || (StatusCode::INTERNAL_SERVER_ERROR, "failed")))
            .nest_service("/files", ServeDir::new(env!("CARGO_MANIFEST_DIR")))
    };
    let without = Server::start(routes()).await;
    let with = Server::start(routes().layer(layer(&propagator()))).await;
    for version in VERSIONS {
        for method in [Method::GET, Method::HEAD] {
            for path in
                ["/whole", "/empty", "/none", "/streamed", "/sized", "/failed", "/files/README.md"]
            {
                let [expected, answer] = [&without, &with]
                    .map(|server| server.send(version, method.clone(), path, &[SENTRY_TRACE]));
                let (mut expected, mut answer) = (expected.await, answer.await);
                expected.headers.remove("date");
                answer.headers.remove("date");
                assert_eq!(format!("{answer:?}"), format!("{expected:?}"), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn other_origins_may_send_the_headers_by_cors() {
    let names = Field::ALL.iter().map(|field| field.name().parse().unwrap());
    let cors = CorsLayer::new()
        .allow_origin(["https://shop.example.com".parse().unwrap()])
        .allow_headers(names.collect::<Vec<_>>());
    let app = Router::new().route("/", get(async || "x")).layer(layer(&propagator())).layer(cors);
    let headers = [
        ("origin", "https://shop.example.com"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "baggage,sentry-trace"),
    ];
    let answer = Server::start(app).await.send(false, Method::OPTIONS, "/", &headers).await;
    let allowed = answer.lines("access-control-allow-headers");
    assert_eq!(allowed, ["sentry-trace,baggage,traceparent,tracestate"]);
}
