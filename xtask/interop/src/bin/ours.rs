//! A service with tracehop and actix-web.

use actix_cors::Cors;
use actix_web::dev::Service as _;
use actix_web::web::{self, Bytes, Data, Html, Json, Path, Query};
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, Responder, error};
use askama::Template as _;
use clap::Parser as _;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tracehop_actix::{TRACE_HEADERS, Trace};
use tracehop_askama::PageScript;
use tracehop_interop::{
    Arrived, Next, OurArguments, Page, PageQuery, Reply, Seen, Tags, next, serve,
};

const NAME: &str = "ours";

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let arguments = OurArguments::parse();
    let (propagator, _guard) = arguments.start()?;
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(tracehop_reqwest::TracePropagation::new(propagator.clone()))
        .build();
    let client = Data::new(client);
    let page_script = Data::new(WithPageScript(arguments.page_script));
    let script = Data::new(Bytes::from(arguments.script()?));
    serve(NAME, arguments.common.listen, move || {
        let propagation = tracehop_actix::TracePropagation::new(propagator.clone());
        App::new()
            .app_data(Data::clone(&client))
            .app_data(Data::clone(&script))
            .app_data(Data::clone(&page_script))
            .wrap(propagation.server_timing(arguments.server_timing))
            .wrap(cors())
            .wrap_fn(|request, service| {
                let arrived = Arrived::with(|name| request.headers().get_all(name));
                request.extensions_mut().insert(arrived);
                service.call(request)
            })
            .route("/relay", web::get().to(relay))
            .route("/pages/{tags}", web::get().to(page))
            .route("/script.js", web::get().to(send_script))
            .route(&["/", PageScript::FILE_NAME].concat(), web::get().to(send_page_script))
    })
    .await
}

/// Allows pages on other origins to call, with their trace.
fn cors() -> Cors {
    Cors::default()
        .allow_any_origin()
        .allowed_methods(["GET"])
        .allowed_headers(TRACE_HEADERS.iter().copied())
}

async fn relay(
    request: HttpRequest,
    trace: Trace,
    asked: Query<Next>,
    client: Data<ClientWithMiddleware>,
) -> actix_web::Result<Json<Reply>> {
    let seen = Seen::of(&trace);
    // Without `--sentry` there is no client, and nothing is sent.
    sentry::capture_message("relayed", sentry::Level::Error);
    let mut reply = Reply::new(NAME, &request, seen);
    if let Some(url) = &asked.next {
        let response = client.get(url).send().await.map_err(error::ErrorBadGateway)?;
        reply.next = Some(next(response).await.map_err(error::ErrorBadGateway)?);
    }
    Ok(Json(reply))
}

async fn page(
    trace: Trace,
    tags: Path<Tags>,
    query: Query<PageQuery>,
    page_script: Data<WithPageScript>,
) -> actix_web::Result<impl Responder> {
    let page = Page::new(trace.into_inner(), *tags, page_script.0, query.into_inner());
    Ok(Html::new(page.render().map_err(error::ErrorInternalServerError)?))
}

/// Whether pages load the page script.
struct WithPageScript(bool);

async fn send_page_script() -> impl Responder {
    HttpResponse::Ok().content_type(PageScript::CONTENT_TYPE).body(PageScript::TEXT)
}

async fn send_script(script: Data<Bytes>) -> impl Responder {
    let javascript = "text/javascript; charset=utf-8";
    HttpResponse::Ok().content_type(javascript).body(Bytes::clone(&script))
}
