//! A collector of envelopes. Prints where it listens when it is ready.

use std::net::{SocketAddr, TcpListener};

use clap::Parser;
use tracehop_examples::collector;

#[derive(Parser)]
#[command(version, about = "A collector of the envelopes that Sentry's SDKs send")]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen)?;
    let address = listener.local_addr()?;
    let server = collector::serve(listener)?;
    println!("collector listening on http://{address}");
    Ok(server.await?)
}
