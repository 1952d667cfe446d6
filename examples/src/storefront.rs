//! The service that people see: pages rendered with askama, with what inventory says on them.

mod pages;
mod traces;

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::middleware::from_fn;
use actix_web::web::{Data, Html, Json, JsonConfig, Path};
use actix_web::{App, HttpResponse, HttpServer, Responder, error, web};
use askama::Template as _;
use clap::Args;
use reqwest_middleware::ClientWithMiddleware;
use tracehop::{Propagator, Target, TraceId};
use tracehop_actix::{Trace, TracePropagation};
use url::Url;

use self::traces::Traces;
use crate::hops::{self, Hop, HopLog};
use crate::inventory::Item;

/// What the storefront is told when it is started.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where inventory is
    #[arg(long, value_name = "URL")]
    pub inventory: Url,
}

/// The article that the page's script asks for once more.
const FEATURED: &str = "teapot";

/// How long inventory may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where inventory is, and how to ask it.
#[derive(Debug, Clone)]
struct Inventory {
    client: ClientWithMiddleware,
    url: Url,
}

impl Inventory {
    async fn items(&self) -> anyhow::Result<Vec<Item>> {
        // The trace of the request that is being answered goes with this one, by itself.
        let response = self.client.get(self.url.join("/stock")?).send().await?;
        Ok(response.error_for_status()?.json().await?)
    }
}

/// Serves the storefront on a socket.
///
/// # Errors
///
/// A socket that cannot be listened on.
pub fn serve(listener: TcpListener, options: &Options) -> anyhow::Result<Server> {
    let propagator = Propagator::builder()
        .dsn("https://examplePublicKey@o0.ingest.sentry.io/0")
        .release(concat!("storefront@", env!("CARGO_PKG_VERSION")))
        .traces_sample_rate(1.0)
        .trace_propagation_targets([Target::origin(
            options.inventory.origin().ascii_serialization(),
        )])
        .build()?;
    let policy = tracehop_reqwest::redirect_policy(reqwest::redirect::Policy::default());
    let client =
        reqwest::Client::builder().no_proxy().timeout(PATIENCE).redirect(policy).build()?;
    let client = reqwest_middleware::ClientBuilder::new(client)
        .with(tracehop_reqwest::TracePropagation::new(propagator.clone()))
        .build();
    let inventory = Inventory { client, url: options.inventory.clone() };
    let log = HopLog::new("storefront");
    let traces = Data::new(Traces::new(inventory.clone(), log.clone()));
    let (inventory, log) = (Data::new(inventory), Data::new(log));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&inventory))
            .app_data(Data::clone(&log))
            .app_data(Data::clone(&traces))
            .app_data(JsonConfig::default().limit(MAX_REPORT))
            .service(web::resource("/").wrap(from_fn(hops::report)).route(web::get().to(shop)))
            .route("/shop.js", web::get().to(script))
            .route("/hops", web::post().to(report))
            .route("/traces", web::get().to(list))
            .route("/traces/{id}", web::get().to(waterfall))
            .route("/traces/{id}/text", web::get().to(text))
            .route("/traces/{id}/json", web::get().to(json))
            .wrap(TracePropagation::new(propagator.clone()))
    });
    Ok(server.workers(2).listen(listener)?.run())
}

async fn shop(trace: Trace, inventory: Data<Inventory>) -> actix_web::Result<impl Responder> {
    let items = inventory.items().await;
    let page = pages::Shop {
        trace,
        inventory: inventory.url.origin().ascii_serialization(),
        featured: FEATURED,
        items: items.as_deref().unwrap_or_default(),
        problem: items.as_ref().err().map(ToString::to_string),
    };
    let html = page.render().map_err(error::ErrorInternalServerError)?;
    // The page has this visitor's trace in it: it is nobody else's.
    Ok(Html::new(html).customize().insert_header((CACHE_CONTROL, "no-store")))
}

async fn script() -> impl Responder {
    let script = include_str!("../assets/shop.js");
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(script)
}

/// More than the longest baggage, and what is said besides.
const MAX_REPORT: usize = 16 * 1024;

/// Takes the report of the page's script.
async fn report(hop: Json<Hop>, log: Data<HopLog>) -> impl Responder {
    if !hop.is_plausible() {
        return HttpResponse::UnprocessableEntity();
    }
    log.push(hop.into_inner());
    HttpResponse::NoContent()
}

async fn list(traces: Data<Traces>) -> impl Responder {
    Json(traces.list().await)
}

async fn waterfall(id: Path<TraceId>, traces: Data<Traces>) -> actix_web::Result<impl Responder> {
    let tree = traces.tree(*id).await.ok_or_else(unknown)?;
    let page = pages::Waterfall { rows: tree.rows(), tree: &tree };
    Ok(Html::new(page.render().map_err(error::ErrorInternalServerError)?))
}

async fn text(id: Path<TraceId>, traces: Data<Traces>) -> actix_web::Result<impl Responder> {
    let tree = traces.tree(*id).await.ok_or_else(unknown)?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(tree.to_text()))
}

async fn json(id: Path<TraceId>, traces: Data<Traces>) -> actix_web::Result<impl Responder> {
    let tree = traces.tree(*id).await.ok_or_else(unknown)?;
    Ok(Json(traces::Whole::from(&tree)))
}

fn unknown() -> actix_web::Error {
    error::ErrorNotFound("nobody has reported this trace")
}
