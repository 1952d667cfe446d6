//! Requests do not see what jobs, handlers of other requests, and middleware write to their scopes.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpResponse, rt, web};
use futures_util::stream;
use sentry::{Breadcrumb, Hub, SentryFutureExt as _, User};
use serde_json::Value;
use tokio::task::yield_now;
use tracehop::{InTrace as _, Propagator};

use crate::server::{Sentry, Server, Serving, get, serve};

const PATHS: [&str; 6] = ["spawned", "in-trace", "bound", "nested", "stream", "panic"];

/// Writes secrets of a request to the current scope.
pub(crate) fn set(id: &str) {
    sentry::configure_scope(|scope| {
        scope.set_user(Some(User { id: Some(id.to_owned()), ..User::default() }));
        scope.set_tag("stranger", id);
    });
    sentry::add_breadcrumb(Breadcrumb { message: Some(id.to_owned()), ..Breadcrumb::default() });
}

pub(crate) async fn set_later(id: String) {
    yield_now().await;
    set(&id);
    yield_now().await;
}

async fn spawned(id: web::Path<String>) -> &'static str {
    rt::spawn(set_later(id.into_inner()));
    "done"
}

async fn in_trace(id: web::Path<String>) -> &'static str {
    rt::spawn(set_later(id.into_inner()).in_current_trace());
    "done"
}

async fn bound(id: web::Path<String>) -> &'static str {
    rt::spawn(set_later(id.into_inner()).bind_hub(Hub::current()));
    "done"
}

async fn nested(id: web::Path<String>) -> &'static str {
    sentry::with_scope(|_| (), || set(&id));
    set(&id);
    "done"
}

async fn streams(id: web::Path<String>) -> HttpResponse {
    let body = stream::once(async move {
        set(&id);
        Ok::<_, Error>(web::Bytes::from_static(b"done"))
    });
    HttpResponse::Ok().streaming(Box::pin(body))
}

async fn panics(id: web::Path<String>) -> &'static str {
    set(&id);
    panic!("on purpose");
}

pub(crate) async fn look() -> &'static str {
    sentry::capture_message("look", sentry::Level::Error);
    "done"
}

/// A middleware further out that writes to the hub of the thread.
async fn mark_thread(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    set("middleware");
    next.call(request).await
}

pub(crate) fn serve_actix(propagator: &Propagator) -> Server {
    let propagator = propagator.clone();
    let app = move || {
        App::new()
            .route("/spawned/{id}", web::get().to(spawned))
            .route("/in-trace/{id}", web::get().to(in_trace))
            .route("/bound/{id}", web::get().to(bound))
            .route("/nested/{id}", web::get().to(nested))
            .route("/stream/{id}", web::get().to(streams))
            .route("/panic/{id}", web::get().to(panics))
            .route("/look/{id}", web::get().to(look))
            .wrap(tracehop_actix::TracePropagation::new(propagator.clone()))
            .wrap(from_fn(mark_thread))
    };
    serve!(app)
}

pub(crate) async fn check(server: &dyn Serving, sentry: &Sentry) {
    let mut looks = 0;
    for round in 0..300 {
        for path in PATHS {
            get(server.address(), path, None).await;
            get(server.address(), "look", None).await;
        }
        // Each round is flushed, because the queue of the SDK's transport holds 30 envelopes.
        let sent = sentry.flush().await;
        for item in sent.errors.iter().chain(&sent.transactions) {
            if item.payload["transaction"] == "GET /look/{id}" {
                looks += 1;
                assert_eq!(item.payload["user"], Value::Null, "round {round}");
                assert_eq!(item.payload["tags"], Value::Null, "round {round}");
                assert_eq!(item.payload["breadcrumbs"], Value::Null, "round {round}");
            }
        }
    }
    assert_eq!(looks, 300 * PATHS.len() * 2);
}
