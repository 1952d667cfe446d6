//! Pages in the trace of a made-up caller, and calls that note what arrived. For `cargo xtask pages`.

mod cached;
mod calls;
mod hostile;
mod rendered;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, Responder};
use clap::Parser;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tracehop::Propagator;
use tracehop_askama::PageScript;
use tracehop_interop::Arguments;

use self::calls::Calls;

#[derive(Debug, Parser)]
#[command(about = "Pages and calls, to be opened in a browser")]
struct PagesArguments {
    #[command(flatten)]
    common: Arguments,
    /// The file that `/htmx.js` answers with
    #[arg(long, value_name = "FILE")]
    htmx: PathBuf,
    /// The file that `/sentry.js` answers with
    #[arg(long, value_name = "FILE")]
    sentry: PathBuf,
    /// The headers that pages of other origins may send, as in Access-Control-Allow-Headers
    #[arg(long, value_name = "NAMES")]
    allow_headers: String,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let PagesArguments { common, htmx, sentry, allow_headers } = PagesArguments::parse();
    let plain = TcpListener::bind(common.listen)?;
    let secure = TcpListener::bind(common.listen)?;
    let (address, secure_address) = (plain.local_addr()?, secure.local_addr()?);
    let calls = Data::new(Calls::new(allow_headers));
    let propagator = Propagator::builder().traces_sample_rate(1.0).build()?;
    let (answers, hostile) = (cached::Answers::default(), hostile::Rendered::default());
    let htmx = Bytes::from(std::fs::read(htmx)?);
    let sentry = Bytes::from(std::fs::read(sentry)?);
    let server = HttpServer::new(move || {
        let file = |text: Bytes| web::get().to(move || script(text.clone()));
        App::new()
            .app_data(Data::clone(&calls))
            .app_data(Data::new(propagator.clone()))
            .app_data(Data::clone(&answers))
            .app_data(Data::clone(&hostile))
            .configure(calls::routes)
            .configure(|config| cached::routes(config, propagator.clone()))
            .configure(|config| hostile::routes(config, propagator.clone()))
            .configure(rendered::routes)
            .route(
                "/secure",
                web::get().to(move || async move { format!("https://{secure_address}") }),
            )
            .route("/htmx.js", file(htmx.clone()))
            .route("/sentry.js", file(sentry.clone()))
            .route("/service-worker.js", file(Bytes::from_static(SERVICE_WORKER.as_bytes())))
            .service(
                web::resource(["/", PageScript::FILE_NAME].concat())
                    .route(web::get().to(page_script)),
            )
    });
    let server = server.workers(1).listen(plain)?.listen_rustls_0_23(secure, certificate()?)?.run();
    println!("pages listening on http://{address}");
    server.await?;
    Ok(())
}

/// Passes all requests of its pages on.
const SERVICE_WORKER: &str = r#"
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => event.respondWith(fetch(event.request)));
"#;

async fn page_script() -> impl Responder {
    HttpResponse::Ok()
        .content_type(PageScript::CONTENT_TYPE)
        .insert_header(("cache-control", PageScript::CACHE_CONTROL))
        .body(PageScript::TEXT)
}

async fn script(text: Bytes) -> impl Responder {
    HttpResponse::Ok().content_type(PageScript::CONTENT_TYPE).body(text)
}

/// Makes a self-signed certificate: browsers stream uploads only over HTTP/2, and use HTTP/2 only over TLS.
fn certificate() -> anyhow::Result<ServerConfig> {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())?)
}
