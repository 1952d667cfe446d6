use std::net::{SocketAddr, TcpListener};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, HttpServer};
use clap::Parser;

use crate::options::Options;

/// The command line of a service.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The options of the SDK
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = parse_options)]
    pub options: Options,
}

fn parse_options(json: &str) -> serde_json::Result<Options> {
    serde_json::from_str(json)
}

/// Serves an App until the process ends. Prints the address when it is ready.
///
/// # Errors
///
/// A socket that cannot be listened on.
pub async fn serve<F, T, B>(name: &str, listen: SocketAddr, app: F) -> anyhow::Result<()>
where
    F: Fn() -> App<T> + Send + Clone + 'static,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    let server = HttpServer::new(app).workers(1).listen(listener)?.run();
    println!("{name} listening on http://{address}");
    server.await?;
    Ok(())
}
