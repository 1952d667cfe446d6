//! A service that accepts envelopes, as Sentry does, and draws the traces in them.
//!
//! An SDK sends here if its DSN is `http://KEY@ADDRESS/1`, or if its `SENTRY_SPOTLIGHT` is `http://ADDRESS/stream`.
//! Pages of any origin may send. The newest envelopes are kept in memory.
//!
//! | path | what it returns |
//! |---|---|
//! | `/` | a page with the newest traces |
//! | `/traces` | the list of traces, newest first |
//! | `/traces/ID` | one trace as a page |
//! | `/traces/ID/text` | one trace as text |
//! | `/traces/ID/json` | all spans and events of one trace |
//! | `/spans` | all spans, oldest first |
//! | `/envelopes` | the texts of all envelopes, oldest first |
//! | `/updates` | a server-sent event whenever an envelope arrives |

mod envelope;
mod pages;
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
use actix_web::web::{self, Bytes, Data, Json, Path};
use actix_web::{App, HttpResponse, HttpServer, Responder, error};
use serde::Serialize;
use serde_json::json;
use tracehop::TraceId;

use self::envelope::Envelope;
pub use self::record::{Dsc, Event, Span};
use self::store::Store;

/// The largest envelope, in bytes. Sentry accepts 200 MiB, for attachments, which the examples do not send.
const MAX_ENVELOPE: usize = 8 << 20;

/// The memory for all envelopes that are kept, in bytes.
const CAPACITY: usize = 64 << 20;

/// Serves the collector on a socket.
///
/// # Errors
///
/// The socket cannot be listened on.
pub fn serve(listener: TcpListener) -> anyhow::Result<Server> {
    let store = Data::new(Store::new(CAPACITY));
    let server = HttpServer::new(move || {
        // Pages of any origin may send, as to Sentry. They cannot read what others sent.
        let accept = || web::post().to(accept);
        let envelopes = |path| web::resource(path).wrap(Cors::permissive()).route(accept());
        App::new()
            .app_data(Data::clone(&store))
            .app_data(web::PayloadConfig::new(MAX_ENVELOPE))
            .service(envelopes("/api/{project}/envelope/"))
            .service(envelopes("/stream"))
            .route("/spans", web::get().to(spans))
            .route("/envelopes", web::get().to(envelopes_as_sent))
            .route("/traces", web::get().to(list))
            .route("/", web::get().to(pages::list))
            .route("/traces/{id}", web::get().to(pages::trace))
            .route("/updates", web::get().to(pages::updates))
            .route("/collector.css", web::get().to(pages::style))
            .route("/collector.js", web::get().to(pages::script))
            .route("/traces/{id}/text", web::get().to(text))
            .route("/traces/{id}/json", web::get().to(json))
    });
    // An open page keeps its request to `/updates`. A longer timeout would wait for it.
    Ok(server.workers(1).shutdown_timeout(1).listen(listener)?.run())
}

async fn accept(body: Bytes, store: Data<Store>) -> actix_web::Result<impl Responder> {
    let envelope = Envelope::read(&body).map_err(error::ErrorBadRequest)?;
    let response = Json(json!({ "id": envelope.event_id }));
    store.add(envelope, body.len());
    Ok(response)
}

async fn spans(store: Data<Store>) -> impl Responder {
    Json(store.spans())
}

async fn envelopes_as_sent(store: Data<Store>) -> impl Responder {
    Json(store.texts())
}

async fn list(store: Data<Store>) -> impl Responder {
    Json(store.traces())
}

async fn text(id: Path<TraceId>, store: Data<Store>) -> actix_web::Result<impl Responder> {
    let tree = store.tree(*id).ok_or_else(unknown)?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(tree.to_text()))
}

/// A trace with all its spans and events.
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
    error::ErrorNotFound("no envelope of this trace has arrived")
}
