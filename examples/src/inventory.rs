//! The service `inventory`: returns the stock as JSON, from a SQLite database.

mod stock;

use std::net::TcpListener;
use std::path::PathBuf;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::header::HeaderValue;
use actix_web::web::{Data, Json, Path};
use actix_web::{App, HttpServer, Responder, error, web};
use clap::Args;
use tracehop_actix::{TRACE_HEADERS, TracePropagation};
use url::Url;

use self::stock::SoldOut;
pub use self::stock::{Item, Stock, StockError};
use crate::loopback::is_on_this_machine;
use crate::telemetry::{self, Telemetry};

/// The options of inventory.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// The file of the database; without one the stock is kept in memory
    #[arg(long, value_name = "FILE")]
    pub database: Option<PathBuf>,
    /// Where inventory sends its envelopes
    #[command(flatten)]
    pub telemetry: telemetry::Options,
}

/// Serves inventory on a socket.
///
/// # Errors
///
/// The database cannot be opened, an option is not a valid address, or the socket cannot be listened on.
pub fn serve(listener: TcpListener, options: &Options) -> anyhow::Result<Server> {
    let stock = Data::new(Stock::open(options.database.as_deref())?);
    let telemetry = Data::new(Telemetry::new("inventory", &options.telemetry, |builder| builder)?);
    let server = HttpServer::new(move || {
        telemetry.bind();
        App::new()
            .app_data(Data::clone(&stock))
            .route("/stock", web::get().to(all))
            .route("/stock/{sku}", web::get().to(one))
            .wrap(TracePropagation::new(telemetry.propagator()))
            .wrap(cors())
    });
    Ok(server.workers(2).listen(listener)?.run())
}

/// Allows pages of other origins on this machine to read the stock and to send their trace.
fn cors() -> Cors {
    Cors::default()
        .allowed_origin_fn(|origin, _| is_page_of_this_machine(origin))
        .allowed_methods(["GET"])
        .allowed_headers(TRACE_HEADERS.iter().copied())
        .max_age(600)
}

fn is_page_of_this_machine(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    origin.is_some_and(|url| is_on_this_machine(&url))
}

async fn all(stock: Data<Stock>) -> actix_web::Result<impl Responder> {
    let items = web::block(move || stock.all()).await?;
    let items = items.map_err(error::ErrorInternalServerError)?;
    items.iter().filter(|item| item.quantity == 0).for_each(report_sold_out);
    Ok(Json(items))
}

/// The visitor gets a quantity of 0. The error goes to Sentry, for the staff that orders.
fn report_sold_out(item: &Item) {
    sentry::capture_error(&SoldOut { sku: item.sku.clone() });
}

async fn one(stock: Data<Stock>, sku: Path<String>) -> actix_web::Result<impl Responder> {
    let item = web::block(move || stock.find(&sku)).await?;
    let item = item.map_err(error::ErrorInternalServerError)?;
    item.map(Json).ok_or_else(|| error::ErrorNotFound("no such article"))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn cors_allows_only_pages_of_this_machine() {
        let is_allowed = |origin| is_page_of_this_machine(&HeaderValue::from_static(origin));
        for origin in ["http://127.0.0.1:8080", "http://localhost:3000", "http://[::1]"] {
            assert!(is_allowed(origin), "{origin}");
        }
        for origin in ["http://example.com", "null", "http://127.0.0.1.example.com", "file://"] {
            assert!(!is_allowed(origin), "{origin}");
        }
    }
}
