//! The service `storefront`: renders a page with askama, with the stock from inventory.

mod pages;

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Html};
use actix_web::{App, HttpResponse, HttpServer, Responder, error, web};
use askama::Template as _;
use clap::Args;
use reqwest_middleware::ClientWithMiddleware;
use tracehop::Target;
use tracehop_actix::{Trace, TracePropagation};
use tracehop_askama::PageScript;
use url::Url;

use crate::inventory::Item;
use crate::telemetry::{self, Telemetry};

/// The options of the storefront.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The URL of inventory
    #[arg(long, value_name = "URL")]
    pub inventory: Url,
    /// Where the storefront sends its envelopes
    #[command(flatten)]
    pub telemetry: telemetry::Options,
}

/// The article that the script of the page looks up.
const FEATURED: &str = "teapot";

/// The longest time that inventory may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The client for inventory, and its URL.
#[derive(Debug)]
struct Inventory {
    client: ClientWithMiddleware,
    url: Url,
}

impl Inventory {
    async fn items(&self) -> anyhow::Result<Vec<Item>> {
        // The client finds the current trace by itself.
        let response = self.client.get(self.url.join("/stock")?).send().await?;
        Ok(response.error_for_status()?.json().await?)
    }
}

/// Serves the storefront on a socket.
///
/// # Errors
///
/// An option is not a valid address, or the socket cannot be listened on.
pub fn serve(listener: TcpListener, options: &Options) -> anyhow::Result<Server> {
    let inventory = options.inventory.origin().ascii_serialization();
    let telemetry = Telemetry::new("storefront", &options.telemetry, |builder| {
        builder.trace_propagation_targets([Target::origin(&inventory)])
    })?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let client = tracehop_reqwest::client(client, telemetry.propagator())?;
    let inventory = Data::new(Inventory { client, url: options.inventory.clone() });
    let telemetry = Data::new(telemetry);
    let server = HttpServer::new(move || {
        telemetry.bind();
        let propagation = TracePropagation::new(telemetry.propagator());
        App::new()
            .app_data(Data::clone(&inventory))
            .app_data(Data::clone(&telemetry))
            .service(web::resource("/").route(web::get().to(shop)).wrap(propagation))
            .route("/shop.js", web::get().to(script))
            .route(&["/", PageScript::FILE_NAME].concat(), web::get().to(page_script))
    });
    Ok(server.workers(2).listen(listener)?.run())
}

async fn shop(
    trace: Trace,
    inventory: Data<Inventory>,
    telemetry: Data<Telemetry>,
) -> actix_web::Result<impl Responder> {
    let items = inventory.items().await;
    let destinations = telemetry.destinations();
    let page = pages::Shop {
        inventory: inventory.url.origin().ascii_serialization(),
        featured: FEATURED,
        items: items.as_deref().unwrap_or_default(),
        problem: items.as_ref().err().map(ToString::to_string),
        release: telemetry::release("browser"),
        environment: telemetry::ENVIRONMENT,
        envelopes: destinations.for_pages().join(" "),
        trace_url: destinations.trace_url(trace.trace_id()),
        trace,
    };
    let html = page.render().map_err(error::ErrorInternalServerError)?;
    // The page has the trace of this visitor: no cache may give it to another visitor.
    Ok(Html::new(html).customize().insert_header((CACHE_CONTROL, "no-store")))
}

async fn page_script() -> impl Responder {
    HttpResponse::Ok()
        .content_type(PageScript::CONTENT_TYPE)
        .insert_header((CACHE_CONTROL, PageScript::CACHE_CONTROL))
        .body(PageScript::TEXT)
}

async fn script() -> impl Responder {
    let script = include_str!("../assets/shop.js");
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(script)
}
