//! Services to put load on: `called` answers, and `caller` calls it for each of its own answers.
//!
//! `service headers` lists the headers that a request should have, as JSON.

mod actix;
mod axum;
mod sdk;

use std::net::{SocketAddr, TcpListener};

use actix_web::{App, HttpServer, web};
use clap::{Parser, Subcommand, ValueEnum};
use tracehop_benches::REQUEST_HEADERS;

#[derive(Parser)]
struct Arguments {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, global = true, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// List the headers of a request
    Headers,
    /// Answer requests
    Called,
    /// Answer with the answer of another service
    Caller {
        /// The URL of the other service
        url: String,
        /// The framework and the client of the service
        #[arg(long, default_value = "actix")]
        framework: Framework,
        /// How the service propagates traces
        #[arg(long, default_value = "not")]
        traced: Traced,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Framework {
    /// actix-web, and reqwest
    Actix,
    /// axum, and hyper's client
    Axum,
}

#[derive(Clone, Copy, ValueEnum)]
enum Traced {
    /// Not at all
    Not,
    /// By copying both headers, which is the cheapest way, and wrong: the parent span stays the caller's
    ByHand,
    /// With both middlewares, or both layers
    Fully,
    /// With both middlewares, or both layers, and the SDK
    Recorded,
    /// With the SDK's own middleware, sentry-actix or sentry-tower, a span for the call by hand, and `sentry-trace` alone
    Sdk,
    /// With OpenTelemetry, by tracing-actix-web and reqwest-tracing, or by axum-tracing-opentelemetry and `traceparent` by
    /// hand
    Opentelemetry,
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
        Role::Caller { url, framework, traced } => {
            println!("caller listening on http://{address}");
            match framework {
                Framework::Actix => actix::serve(listener, url, traced).await,
                Framework::Axum => axum::serve(listener, url, traced).await,
            }
        }
    }
}

async fn called(listener: TcpListener) -> anyhow::Result<()> {
    let app = || App::new().route("/stock/{id}", web::get().to(async || r#"{"left":7}"#));
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run().await?)
}
