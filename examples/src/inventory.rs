//! The service that knows what is in stock: JSON over actix-web, with a SQLite database behind.

mod stock;

use std::net::TcpListener;
use std::path::PathBuf;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, Json, Path};
use actix_web::{App, HttpServer, Responder, error, web};
use clap::Args;
use tracehop::Propagator;
use tracehop_actix::{TRACE_HEADERS, TracePropagation};
use url::{Host, Url};

pub use self::stock::{Item, Stock, StockError};
use crate::hops::{self, HopLog};

/// What inventory is told when it is started.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The database's file; without one the stock is kept in memory
    #[arg(long, value_name = "FILE")]
    pub database: Option<PathBuf>,
}

/// Serves inventory on a socket.
///
/// # Errors
///
/// A database that cannot be opened, or a socket that cannot be listened on.
pub fn serve(listener: TcpListener, options: &Options) -> anyhow::Result<Server> {
    let stock = Data::new(Stock::open(options.database.as_deref())?);
    let log = Data::new(HopLog::new("inventory"));
    let propagator = Propagator::builder()
        .dsn("https://examplePublicKey@o0.ingest.sentry.io/0")
        .release(concat!("inventory@", env!("CARGO_PKG_VERSION")))
        .traces_sample_rate(1.0)
        .build()?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&stock))
            .app_data(Data::clone(&log))
            .service(
                web::scope("/stock")
                    .wrap(from_fn(hops::report))
                    .route("", web::get().to(all))
                    .route("/{sku}", web::get().to(one)),
            )
            .route("/hops", web::get().to(reports))
            .wrap(TracePropagation::new(propagator.clone()))
            .wrap(cors())
    });
    Ok(server.workers(2).listen(listener)?.run())
}

/// Lets pages of other origins on this machine read the stock, and send their trace along.
fn cors() -> Cors {
    Cors::default()
        .allowed_origin_fn(|origin, _| origin.to_str().is_ok_and(is_on_this_machine))
        .allowed_methods(["GET"])
        .allowed_headers(TRACE_HEADERS)
        .max_age(600)
}

fn is_on_this_machine(origin: &str) -> bool {
    match Url::parse(origin).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

async fn all(stock: Data<Stock>) -> actix_web::Result<impl Responder> {
    let items = web::block(move || stock.all()).await?;
    Ok(Json(items.map_err(error::ErrorInternalServerError)?))
}

async fn one(stock: Data<Stock>, sku: Path<String>) -> actix_web::Result<impl Responder> {
    let item = web::block(move || stock.find(&sku)).await?;
    let item = item.map_err(error::ErrorInternalServerError)?;
    item.map(Json).ok_or_else(|| error::ErrorNotFound("no such article"))
}

async fn reports(log: Data<HopLog>) -> impl Responder {
    Json(log.all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_machine_may_ask() {
        for origin in
            ["http://127.0.0.1:8080", "http://localhost:3000", "http://[::1]", "https://localhost"]
        {
            assert!(is_on_this_machine(origin), "{origin}");
        }
        for origin in ["http://example.com", "null", "http://127.0.0.1.example.com", "file://"] {
            assert!(!is_on_this_machine(origin), "{origin}");
        }
    }
}
