//! The service `storefront` alone. Prints where it listens when it is ready.

use std::net::{SocketAddr, TcpListener};

use clap::Parser;
use tracehop_examples::storefront;

#[derive(Parser)]
#[command(version, about = "The example service storefront")]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(flatten)]
    options: storefront::Options,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.listen)?;
    let address = listener.local_addr()?;
    let server = storefront::serve(listener, &arguments.options)?;
    println!("storefront listening on http://{address}");
    Ok(server.await?)
}
