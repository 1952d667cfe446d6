//! A service that takes envelopes, as Sentry does, and shows the spans in them.
//!
//! An SDK whose DSN is `http://any@ADDRESS/1` sends here. `GET /spans` lists what came, oldest first.

mod envelope;

use std::collections::{BTreeMap, VecDeque};
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::web::{self, Bytes, Data, Json};
use actix_web::{App, HttpServer, Responder, error};
use serde::Serialize;
use serde_json::json;

use self::envelope::Envelope;

/// Sentry takes an envelope of up to 200 MiB; here nobody sends attachments.
const MAX_ENVELOPE: usize = 8 << 20;

/// One span of one service, however it was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The id of the span above it.
    pub parent_span_id: Option<String>,
    /// The sort of work, such as `http.server`.
    pub op: Option<String>,
    /// Whether it stands for the whole of its service's part, as a transaction does.
    pub is_segment: bool,
    /// The dynamic sampling context in the header of the envelope that it came in.
    pub dsc: Option<BTreeMap<String, String>>,
}

/// The last spans that came.
#[derive(Debug, Default)]
struct Spans(Mutex<VecDeque<Span>>);

impl Spans {
    /// Spans that are kept; older ones are forgotten.
    const CAPACITY: usize = 10_000;

    fn add(&self, spans: Vec<Span>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(spans);
        let surplus = kept.len().saturating_sub(Self::CAPACITY);
        kept.drain(..surplus);
    }

    fn all(&self) -> Vec<Span> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Collects on a socket.
///
/// # Errors
///
/// A socket that cannot be listened on.
pub fn serve(listener: TcpListener) -> anyhow::Result<Server> {
    let spans = Data::new(Spans::default());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&spans))
            .app_data(web::PayloadConfig::new(MAX_ENVELOPE))
            // Browsers of any page may send, as to Sentry.
            .wrap(Cors::permissive())
            .route("/api/{project}/envelope/", web::post().to(take))
            .route("/spans", web::get().to(list))
    });
    Ok(server.workers(1).listen(listener)?.run())
}

async fn take(body: Bytes, spans: Data<Spans>) -> actix_web::Result<impl Responder> {
    let envelope = Envelope::read(&body).map_err(error::ErrorBadRequest)?;
    spans.add(envelope.spans());
    Ok(Json(json!({ "id": envelope.event_id() })))
}

async fn list(spans: Data<Spans>) -> impl Responder {
    Json(spans.all())
}
