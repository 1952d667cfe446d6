//! A service to put load on: `called` answers, `caller` calls it for each answer of its own.
//!
//! `service headers` lists the headers that a request should have, as JSON.

use std::net::{SocketAddr, TcpListener};

use actix_web::web::{Bytes, Data, ServiceConfig};
use actix_web::{App, HttpServer, error, web};
use clap::{Parser, Subcommand};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tracehop_actix::TracePropagation;
use tracehop_benches::{REQUEST_HEADERS, propagator};

#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, global = true, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// List the headers of a request
    Headers,
    /// Answer
    Called,
    /// Answer what another service answers
    Caller {
        /// The other service
        url: String,
        /// Take part in traces
        #[arg(long)]
        traced: bool,
    },
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, role } = Arguments::parse();
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    match role {
        Role::Headers => {
            println!("{}", serde_json::to_string(REQUEST_HEADERS)?);
            Ok(())
        }
        Role::Called => {
            println!("called listening on http://{address}");
            called(listener).await
        }
        Role::Caller { url, traced } => {
            println!("caller listening on http://{address}");
            if traced { traced_caller(listener, url).await } else { caller(listener, url).await }
        }
    }
}

async fn called(listener: TcpListener) -> anyhow::Result<()> {
    let app = || App::new().route("/stock/{id}", web::get().to(async || r#"{"left":7}"#));
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}

/// What the handler of the caller works with.
struct Upstream {
    client: ClientWithMiddleware,
    url: String,
}

impl Upstream {
    /// The routes of a service that calls another, through a client of its own.
    fn routes(client: ClientBuilder, url: &str) -> impl FnOnce(&mut ServiceConfig) {
        let upstream = Data::new(Self { client: client.build(), url: url.to_owned() });
        |config| {
            config.app_data(upstream).route("/items/{id}", web::get().to(item));
        }
    }
}

async fn caller(listener: TcpListener, url: String) -> anyhow::Result<()> {
    let app = move || {
        let client = ClientBuilder::new(reqwest::Client::new());
        App::new().configure(Upstream::routes(client, &url))
    };
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}

/// The same in traces.
async fn traced_caller(listener: TcpListener, url: String) -> anyhow::Result<()> {
    let propagator = propagator();
    let app = move || {
        let client = ClientBuilder::new(reqwest::Client::new())
            .with(tracehop_reqwest::TracePropagation::new(propagator.clone()));
        App::new()
            .configure(Upstream::routes(client, &url))
            .wrap(TracePropagation::new(propagator.clone()))
    };
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}

async fn item(id: web::Path<u32>, upstream: Data<Upstream>) -> actix_web::Result<Bytes> {
    let url = format!("{}/stock/{id}", upstream.url);
    let response = upstream.client.get(url).send().await.map_err(error::ErrorBadGateway)?;
    let response = response.error_for_status().map_err(error::ErrorBadGateway)?;
    response.bytes().await.map_err(error::ErrorBadGateway)
}
