//! A service that takes envelopes, as Sentry does, and draws the traces in them.
//!
//! An SDK whose DSN is `http://any@ADDRESS/1` sends here, and so does one whose `SENTRY_SPOTLIGHT` is
//! `http://ADDRESS/stream`; SDKs in pages of any origin may. What came last is kept in memory.
//!
//! `GET /traces` lists the traces, newest first; `/traces/ID` is one as a page, with `/text` and `/json` behind it as
//! text and with all that is known. `GET /spans` lists all spans, oldest first.

mod envelope;
mod payload;
mod record;
mod store;
mod text;
mod timestamp;
mod tree;

use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::web::{self, Bytes, Data, Html, Json, Path};
use actix_web::{App, HttpResponse, HttpServer, Responder, error};
use askama::Template;
use serde::Serialize;
use serde_json::json;
use tracehop::TraceId;

use self::envelope::Envelope;
pub use self::record::{Dsc, Event, Span};
use self::store::Store;
use self::tree::{Row, TraceTree};

/// Sentry takes an envelope of up to 200 MiB; here nobody sends attachments.
const MAX_ENVELOPE: usize = 8 << 20;

/// What all envelopes that are kept may take.
const CAPACITY: usize = 64 << 20;

/// Collects on a socket.
///
/// # Errors
///
/// A socket that cannot be listened on.
pub fn serve(listener: TcpListener) -> anyhow::Result<Server> {
    let store = Data::new(Store::new(CAPACITY));
    let server = HttpServer::new(move || {
        // Browsers of any page may send, as to Sentry. They may not look.
        let take = || web::post().to(take);
        let envelopes = |path| web::resource(path).wrap(Cors::permissive()).route(take());
        App::new()
            .app_data(Data::clone(&store))
            .app_data(web::PayloadConfig::new(MAX_ENVELOPE))
            .service(envelopes("/api/{project}/envelope/"))
            .service(envelopes("/stream"))
            .route("/spans", web::get().to(spans))
            .route("/traces", web::get().to(list))
            .route("/traces/{id}", web::get().to(waterfall))
            .route("/traces/{id}/text", web::get().to(text))
            .route("/traces/{id}/json", web::get().to(json))
    });
    Ok(server.workers(1).listen(listener)?.run())
}

async fn take(body: Bytes, store: Data<Store>) -> actix_web::Result<impl Responder> {
    let envelope = Envelope::read(&body).map_err(error::ErrorBadRequest)?;
    let answer = Json(json!({ "id": envelope.event_id }));
    store.add(envelope, body.len());
    Ok(answer)
}

async fn spans(store: Data<Store>) -> impl Responder {
    Json(store.spans())
}

async fn list(store: Data<Store>) -> impl Responder {
    Json(store.traces())
}

/// The page that draws a trace.
#[derive(Template)]
#[template(path = "waterfall.html")]
struct Waterfall<'a> {
    tree: &'a TraceTree,
    rows: Vec<Row<'a>>,
}

async fn waterfall(id: Path<TraceId>, store: Data<Store>) -> actix_web::Result<impl Responder> {
    let tree = store.tree(*id).ok_or_else(unknown)?;
    let page = Waterfall { rows: tree.rows(), tree: &tree };
    Ok(Html::new(page.render().map_err(error::ErrorInternalServerError)?))
}

async fn text(id: Path<TraceId>, store: Data<Store>) -> actix_web::Result<impl Responder> {
    let tree = store.tree(*id).ok_or_else(unknown)?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(tree.to_text()))
}

/// A trace with all that is known of it.
#[derive(Serialize)]
struct Whole<'a> {
    trace_id: TraceId,
    spans: Vec<&'a Span>,
    events: Vec<&'a Event>,
}

async fn json(id: Path<TraceId>, store: Data<Store>) -> actix_web::Result<impl Responder> {
    let tree = store.tree(*id).ok_or_else(unknown)?;
    let rows = tree.rows();
    let captured = rows.iter().flat_map(|row| row.events.iter().copied());
    let events = captured.chain(tree.events_elsewhere()).collect();
    let spans = rows.iter().map(|row| row.span).collect();
    Ok(HttpResponse::Ok().json(Whole { trace_id: tree.trace_id(), spans, events }))
}

fn unknown() -> actix_web::Error {
    error::ErrorNotFound("nothing came of this trace")
}
