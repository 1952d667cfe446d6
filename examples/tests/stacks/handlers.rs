//! What handlers do: each captures an error, a log, a metric and a span, and calls the next service.

use actix_web::{Error, HttpResponse, error, rt, web};
use futures_util::stream;
use reqwest_middleware::ClientWithMiddleware;
use tokio::task::yield_now;
use tracehop::InTrace as _;
use tracehop_actix::Trace;

/// The paths of the handlers.
pub(crate) const HANDLERS: [&str; 6] = ["await", "spawn", "block", "stream", "panic", "fail"];

/// The address of the next service.
#[derive(Clone)]
pub(crate) struct NextUrl(pub String);

type Client = web::Data<ClientWithMiddleware>;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/await/{id}", web::get().to(awaits))
        .route("/spawn/{id}", web::get().to(spawns))
        .route("/block/{id}", web::get().to(blocks))
        .route("/stream/{id}", web::get().to(streams))
        .route("/panic/{id}", web::get().to(panics))
        .route("/fail/{id}", web::get().to(fails));
}

pub(crate) fn capture() {
    sentry::capture_message("boom", sentry::Level::Error);
    sentry::logger_warn!("log of the handler");
    sentry::metrics::counter("work", 1).capture();
    tracing::error!("error of tracing");
}

#[tracing::instrument(skip_all)]
pub(crate) async fn work(client: &ClientWithMiddleware, next: &str) {
    yield_now().await;
    capture();
    let answer = client.get(next).send().await.unwrap().text().await.unwrap();
    assert_eq!(answer, "next");
}

async fn awaits(client: Client, next: web::Data<NextUrl>) -> &'static str {
    work(&client, &next.0).await;
    "done"
}

async fn spawns(client: Client, next: web::Data<NextUrl>) -> &'static str {
    let job = async move { work(&client, &next.0).await };
    // Spans are recorded until the request ends.
    let _ = rt::spawn(job.in_current_trace()).await;
    "done"
}

async fn blocks(trace: Trace, client: Client, next: web::Data<NextUrl>) -> &'static str {
    let context = trace.into_inner();
    web::block(move || context.in_scope(|| sentry::capture_message("boom", sentry::Level::Error)))
        .await
        .unwrap();
    work(&client, &next.0).await;
    "done"
}

async fn streams(client: Client, next: web::Data<NextUrl>) -> HttpResponse {
    let body = stream::once(async move {
        work(&client, &next.0).await;
        Ok::<_, Error>(web::Bytes::from_static(b"done"))
    });
    HttpResponse::Ok().streaming(Box::pin(body))
}

async fn panics(client: Client, next: web::Data<NextUrl>) -> &'static str {
    work(&client, &next.0).await;
    panic!("on purpose");
}

async fn fails(client: Client, next: web::Data<NextUrl>) -> Result<&'static str, Error> {
    work(&client, &next.0).await;
    Err(error::ErrorInternalServerError("the handler failed"))
}
