//! Serves pages for callers who mean harm. Prints where it listens when it is ready.

use std::net::{SocketAddr, TcpListener};

use clap::Parser;
use tracehop_examples::hostile;

#[derive(Parser)]
#[command(version, about = "Pages for callers who mean harm, for a browser to look at")]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen)?;
    let address = listener.local_addr()?;
    let server = hostile::serve(listener)?;
    println!("hostile listening on http://{address}");
    Ok(server.await?)
}
