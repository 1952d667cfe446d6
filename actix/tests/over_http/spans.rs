//! The span of a request in the logs.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Service as _;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, error, guard, rt, web};
use serde_json::{Value, json};
use tokio::task::yield_now;
use tracehop_actix::{Trace, TracePropagation};
use tracing::{Instrument as _, Level, info, warn};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::log::{Log, listen};
use crate::{SENTRY_TRACE, Server, TRACE_ID, body, options, propagator, serve, status};

/// Logs each chunk, and its end.
struct Streamed(u8);

impl MessageBody for Streamed {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        info!("body");
        Poll::Ready(Some(Ok(Bytes::from_static(b"x"))))
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        info!("end of body");
    }
}

async fn awaited() {
    info!("awaited");
    yield_now().await;
    info!("awaited");
}

/// The message of a line; `close` for the line at the end of a span.
fn message(line: &Value) -> &str {
    line["fields"]["message"].as_str().unwrap()
}

/// The requests' spans that a line is in, outermost first.
fn spans(line: &Value) -> Vec<&Value> {
    let spans = line["spans"].as_array().into_iter().flatten();
    spans.filter(|span| span["name"] == "http.server").collect()
}

/// The spans as they were when they ended, without their ids.
async fn ended(log: &Log, server: Server) -> Vec<Value> {
    // Waits for the worker, and so for its last line.
    server.handle.stop(true).await;
    let lines = log.lines();
    let ends = lines.iter().filter(|line| message(line) == "close");
    let mut ends: Vec<_> = ends.map(|line| line["span"].clone()).collect();
    for span in &mut ends {
        let span = span.as_object_mut().unwrap();
        assert_eq!(span.remove("name").unwrap(), "http.server");
        assert!(span.remove("trace_id").is_some() && span.remove("span_id").is_some());
    }
    ends
}

#[actix_web::test]
async fn spans_hold_exactly_the_lines_of_their_request() {
    let (log, propagator) = (Log::default(), propagator());
    let writer = log.clone();
    let server = serve!(move || {
        listen(writer.as_json());
        info!("outside");
        let handler = async |trace: Trace| {
            info!("handler");
            awaited().await;
            rt::spawn(awaited().in_current_span()).await.unwrap();
            rt::spawn(async { info!("outside") }).await.unwrap();
            let span = tracing::Span::current();
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            let block = move || {
                tracing::dispatcher::with_default(&dispatch, || span.in_scope(|| info!("block")))
            };
            web::block(block).await.unwrap();
            HttpResponse::Ok()
                .insert_header(("x-span", trace.span_id().to_string()))
                .body(Streamed(2))
        };
        App::new()
            .service(web::resource("/users/{id}").route(web::get().to(handler)))
            .wrap_fn(|request, service| {
                info!("inner middleware");
                let response = service.call(request);
                async {
                    info!("inner middleware");
                    response.await
                }
            })
            .wrap(TracePropagation::new(propagator.clone()))
            .wrap_fn(|request, service| {
                info!("outside");
                let response = service.call(request);
                async {
                    let response = response.await;
                    info!("outside");
                    response
                }
            })
    });
    let response = server.get("/users/7?secret=hush", &[SENTRY_TRACE.as_bytes()]).await;
    server.handle.stop(true).await;
    let span_id = crate::header_lines(&response, "x-span")[0];
    let lines = log.lines();
    let inside: Vec<_> =
        lines.iter().map(message).filter(|message| *message != "outside").collect();
    assert_eq!(
        inside,
        [
            "inner middleware",
            "inner middleware",
            "handler",
            "awaited",
            "awaited",
            "awaited",
            "awaited",
            "block",
            "body",
            "body",
            "end of body",
            "close"
        ]
    );
    for line in &lines {
        let mut expected = json!({
            "name": "http.server",
            "trace_id": TRACE_ID,
            "span_id": span_id,
            "method": "GET",
            "route": "/users/{id}",
        });
        if let "body" | "end of body" | "close" = message(line) {
            expected["status"] = 200.into();
        }
        match message(line) {
            "outside" => assert!(line["spans"].is_null() && !line.to_string().contains(TRACE_ID)),
            "close" => assert_eq!(line["span"], expected),
            _ => assert_eq!(spans(line), [&expected], "{line}"),
        }
        assert!(!line.to_string().contains("hush"), "{line}");
    }
    assert_eq!(lines.len() - inside.len(), 4);
}

#[actix_web::test]
async fn spans_end_with_status_and_route() {
    let (log, propagator) = (Log::default(), propagator());
    let writer = log.clone();
    let server = serve!(move || {
        listen(writer.as_json());
        let teapot = StatusCode::IM_A_TEAPOT;
        let by_handler = move || async move {
            Err::<HttpResponse, _>(error::InternalError::new("on purpose", teapot))
        };
        App::new()
            .route("/ok/{id}", web::get().to(HttpResponse::Created))
            .route("/handler", web::get().to(by_handler))
            .service(
                web::scope("/middleware").route("/x", web::get().to(HttpResponse::Ok)).wrap_fn(
                    |_, _| async {
                        Err::<actix_web::dev::ServiceResponse, _>(error::ErrorForbidden(
                            "on purpose",
                        ))
                    },
                ),
            )
            .wrap(TracePropagation::new(propagator.clone()))
    });
    for (path, status, _) in TABLE {
        assert_eq!(crate::status(&server.get(path, &[]).await), status.to_string(), "{path}");
    }
    const TABLE: [(&str, u16, Option<&str>); 5] = [
        ("/ok/secret", 201, Some("/ok/{id}")),
        ("/ok/secret?x=secret", 201, Some("/ok/{id}")),
        ("/handler", 418, Some("/handler")),
        ("/middleware/x", 403, Some("/middleware/x")),
        ("/secret", 404, None),
    ];
    let expected = TABLE.map(|(_, status, route)| {
        let mut span = json!({"method": "GET", "status": status});
        if let Some(route) = route {
            span["route"] = route.into();
        }
        span
    });
    assert_eq!(ended(&log, server).await, expected);
    assert!(!log.text().contains("secret"));
}

#[actix_web::test]
async fn spans_have_the_route_after_guards() {
    let (log, propagator) = (Log::default(), propagator());
    let writer = log.clone();
    let server = serve!(move || {
        listen(writer.as_json());
        let with_trace = async |_: Trace| {
            info!("handler");
            HttpResponse::Ok().finish()
        };
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .service(web::resource("/r/{post}").guard(guard::Post()).to(HttpResponse::Ok))
            .service(web::resource("/r/{get}").guard(guard::Get()).to(with_trace))
            .service(web::resource("/r/{put}").guard(guard::Put()).to(HttpResponse::Ok))
    });
    // The DSC of a continued trace does not need the route. The log alone asks for it.
    server.get("/r/1", &[SENTRY_TRACE.as_bytes()]).await;
    server.send(b"PUT /r/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let logged =
        |line: &Value| (message(line) == "handler").then(|| spans(line)[0]["route"].clone());
    assert_eq!(log.lines().iter().find_map(logged).unwrap(), "/r/{get}");
    let routes = ended(&log, server).await.into_iter().map(|span| span["route"].clone());
    assert_eq!(routes.collect::<Vec<_>>(), ["/r/{get}", "/r/{put}"]);
}

#[actix_web::test]
async fn each_context_has_one_span() {
    let (log, first) = (Log::default(), propagator());
    let second = options().org_id(2).build().unwrap();
    let writer = log.clone();
    let server = serve!(move || {
        listen(writer.as_json());
        let handler = async |trace: Trace| {
            info!("handler");
            trace.span_id().to_string()
        };
        let inner = |path: &str, propagator: &tracehop_actix::tracehop::Propagator| {
            let scope = web::scope(path).wrap(TracePropagation::new(propagator.clone()));
            scope.route("/", web::get().to(handler))
        };
        App::new()
            .wrap(TracePropagation::new(first.clone()))
            .service(inner("/same", &first))
            .service(inner("/other", &second))
    });
    for (path, count) in [("/same/", 1), ("/other/", 2)] {
        let response = server.get(path, &[]).await;
        let lines = log.lines();
        let line = lines.iter().rfind(|line| message(line) == "handler").unwrap();
        let spans = spans(line);
        assert_eq!(spans.len(), count);
        assert_eq!(spans.last().unwrap()["span_id"], body(&response));
    }
    let statuses = ended(&log, server).await.into_iter().map(|span| span["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 200, 200]);
}

/// Polls a future once, and drops it.
struct Once<F>(Option<Pin<Box<F>>>);

impl<F: Future> Future for Once<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(mut future) = self.0.take() {
            assert!(future.as_mut().poll(cx).is_pending());
        }
        Poll::Ready(())
    }
}

struct LogsAtDrop;

impl Drop for LogsAtDrop {
    fn drop(&mut self) {
        info!("dropped");
    }
}

#[actix_web::test]
async fn dropped_requests_end_spans_without_status() {
    let (log, propagator) = (Log::default(), propagator());
    let writer = log.clone();
    let server = serve!(move || {
        listen(writer.as_json());
        let handler = async || {
            let _guard = LogsAtDrop;
            std::future::pending::<HttpResponse>().await
        };
        App::new()
            .route("/", web::get().to(handler))
            .wrap(TracePropagation::new(propagator.clone()))
            .wrap_fn(|request, service| {
                let response = Once(Some(Box::pin(service.call(request))));
                async {
                    response.await;
                    Err::<actix_web::dev::ServiceResponse, _>(error::ErrorGatewayTimeout("late"))
                }
            })
    });
    assert_eq!(status(&server.get("/", &[]).await), "504");
    let lines = log.lines();
    let line = lines.iter().find(|line| message(line) == "dropped").unwrap();
    assert_eq!(spans(line).len(), 1);
    assert_eq!(ended(&log, server).await, [json!({"method": "GET", "route": "/"})]);
}

/// Returns the log of a request whose handler warns. `spans` is the level of the target `tracehop`; all others log only
/// warnings.
async fn warning(is_compact: bool, spans: LevelFilter) -> String {
    let (log, propagator) = (Log::default(), propagator());
    let writer = log.clone();
    let server = serve!(move || {
        let full = fmt::layer().with_ansi(false).with_writer(writer.writer());
        let layer = if is_compact { full.compact().boxed() } else { full.boxed() };
        let levels = Targets::new().with_default(Level::WARN).with_target("tracehop", spans);
        listen(registry().with(layer).with(levels));
        let handler = async || {
            warn!("handler");
            HttpResponse::Ok().finish()
        };
        App::new().wrap(TracePropagation::new(propagator.clone())).default_service(web::to(handler))
    });
    server.get("/", &[SENTRY_TRACE.as_bytes()]).await;
    log.text()
}

#[actix_web::test]
async fn filters_that_keep_spans_keep_trace_ids() {
    for is_compact in [false, true] {
        for (spans, has_trace_id) in [(LevelFilter::INFO, true), (LevelFilter::WARN, false)] {
            let text = warning(is_compact, spans).await;
            let lines: Vec<_> = text.lines().collect();
            assert_eq!(lines.len(), 1, "{text}");
            assert!(lines[0].contains("handler"), "{text}");
            assert_eq!(lines[0].contains(TRACE_ID), has_trace_id, "{text}");
        }
    }
}

#[actix_web::test]
async fn client_input_cannot_forge_log_lines() {
    let (log, propagator) = (Log::default(), options().org_id(1).build().unwrap());
    let writer = log.clone();
    let server = serve!(move || {
        listen(writer.as_text());
        let handler = async || {
            info!("handler");
            HttpResponse::Ok().finish()
        };
        App::new().wrap(TracePropagation::new(propagator.clone())).default_service(web::to(handler))
    });
    let good = SENTRY_TRACE.as_bytes();
    let table: [(&str, &[&[u8]]); 7] = [
        ("EVIL /", &[]),
        ("GET /evil%0aERROR%20all%20is%20lost", &[]),
        ("GET /%1b%5b2Jevil?%0devil", &[]),
        ("GET /", &[b"sentry-trace: \t\x9b2Jevil\xff"]),
        ("GET /", &[b"sentry-trace: evil", b"baggage: sentry-trace_id=evil%0A"]),
        ("GET /", &[good, b"baggage: sentry-org_id=%0Aevil"]),
        ("GET /", &[good, b"baggage: sentry-release=%0Aevil,sentry-transaction=%1B\x9bevil"]),
    ];
    for (start, lines) in table {
        let head = format!("{start} HTTP/1.1\r\nhost: evil\r\nconnection: close");
        let lines = [&[head.as_bytes()], lines, &[b"\r\n"]].concat();
        let response = server.send(&lines.join(&b"\r\n"[..])).await;
        assert_eq!(status(&response), "200", "{response}");
    }
    let text = log.text();
    let (of_handler, others): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with(" INFO http.server{trace_id="));
    assert_eq!(of_handler.len(), table.len(), "{text}");
    for line in &of_handler {
        assert!(line.ends_with("}: over_http::spans: handler") && !line.contains("evil"), "{text}");
    }
    assert!(of_handler[0].contains("method=\"_OTHER\""), "{text}");
    assert!(others.iter().all(|line| line.starts_with("DEBUG tracehop::propagator: ")), "{text}");
    assert_eq!(others.len(), 3, "{text}");
    assert!(!text.contains(|one: char| one.is_control() && one != '\n'), "{text:?}");
}
