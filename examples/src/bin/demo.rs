//! Both services in one process. Prints where they listen when they are ready.

use std::net::{SocketAddr, TcpListener};

use clap::Parser;
use tracehop_examples::{inventory, storefront};
use url::Url;

#[derive(Parser)]
#[command(version, about = "The example services storefront and inventory, in one process")]
struct Arguments {
    /// Where the storefront listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where inventory listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen_inventory: SocketAddr,
    #[command(flatten)]
    inventory: inventory::Options,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (front, back) =
        (TcpListener::bind(arguments.listen)?, TcpListener::bind(arguments.listen_inventory)?);
    let (front_address, back_address) = (front.local_addr()?, back.local_addr()?);
    let options = storefront::Options { inventory: Url::parse(&format!("http://{back_address}"))? };
    let inventory = inventory::serve(back, &arguments.inventory)?;
    let storefront = storefront::serve(front, &options)?;
    println!("inventory listening on http://{back_address}");
    println!("storefront listening on http://{front_address}");
    tokio::try_join!(inventory, storefront)?;
    Ok(())
}
