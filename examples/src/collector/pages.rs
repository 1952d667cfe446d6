//! The pages of the collector.

use std::convert::Infallible;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use actix_web::web::{Bytes, Data, Html, Path};
use actix_web::{CustomizeResponder, HttpRequest, HttpResponse, Responder, error};
use askama::Template;
use futures_util::stream;
use tracehop::TraceId;

use super::store::Store;
use super::tree::{Row, TraceTree};

#[derive(Template)]
#[template(path = "collector/list.html")]
struct List<'a> {
    traces: Vec<TraceTree>,
    host: &'a str,
}

#[derive(Template)]
#[template(path = "collector/trace.html")]
struct Waterfall<'a> {
    tree: &'a TraceTree,
    rows: Vec<Row<'a>>,
    /// The ticks of the axis: place in per cent, time in milliseconds.
    ticks: [(u8, f64); 5],
}

#[derive(Template)]
#[template(path = "collector/unknown.html")]
struct Unknown {
    id: String,
}

type Page = actix_web::Result<CustomizeResponder<Html>>;

fn page(template: &impl Template, status: StatusCode) -> Page {
    let html = template.render().map_err(error::ErrorInternalServerError)?;
    Ok(Html::new(html).customize().with_status(status))
}

/// Lists the newest traces.
pub(super) async fn list(request: HttpRequest, store: Data<Store>) -> Page {
    let newest = store.traces().into_iter().take(100);
    let traces = newest.filter_map(|trace| store.tree(trace.trace_id)).collect();
    page(&List { traces, host: request.connection_info().host() }, StatusCode::OK)
}

/// Draws a trace.
pub(super) async fn trace(id: Path<String>, store: Data<Store>) -> Page {
    let tree = id.parse().ok().and_then(|id: TraceId| store.tree(id));
    let Some(tree) = tree else {
        return page(&Unknown { id: id.into_inner() }, StatusCode::NOT_FOUND);
    };
    let duration = tree.duration_ms();
    let ticks = [0, 25, 50, 75, 100].map(|tick| (tick, duration * f64::from(tick) / 100.0));
    page(&Waterfall { rows: tree.rows(), tree: &tree, ticks }, StatusCode::OK)
}

/// Sends a [server-sent event](https://html.spec.whatwg.org/multipage/server-sent-events.html) for each change.
pub(super) async fn updates(store: Data<Store>) -> impl Responder {
    let changes = stream::unfold(store.changes(), async |mut changes| {
        changes.changed().await.ok()?;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"data: changed\n\n")), changes))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(Box::pin(changes))
}

pub(super) async fn style() -> impl Responder {
    let style = include_str!("../../templates/collector/collector.css");
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(style)
}

pub(super) async fn script() -> impl Responder {
    let script = include_str!("../../templates/collector/collector.js");
    HttpResponse::Ok().content_type(ContentType(mime::TEXT_JAVASCRIPT)).body(script)
}
