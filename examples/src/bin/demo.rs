//! Both services and the collector in one process. Prints their URLs when they are ready.

use std::net::{SocketAddr, TcpListener};

use clap::Parser;
use tracehop_examples::{collector, inventory, storefront, telemetry};
use url::Url;

#[derive(Parser)]
#[command(
    version,
    about = "The example services storefront and inventory, and a collector, in one process"
)]
struct Arguments {
    /// The address of the storefront; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The address of inventory
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen_inventory: SocketAddr,
    /// The address of the collector, which gets the envelopes unless `--collector` names another one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen_collector: SocketAddr,
    #[command(flatten)]
    inventory: inventory::Options,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, listen_inventory, listen_collector, mut inventory } =
        Arguments::parse();
    let [front, back, collector] =
        [listen, listen_inventory, listen_collector].map(TcpListener::bind);
    let (front, back, collector) = (front?, back?, collector?);
    let [front_url, back_url, collector_url] = [&front, &back, &collector].map(url);
    let (front_url, back_url, collector_url) = (front_url?, back_url?, collector_url?);

    let telemetry::Options { collector: named, .. } = &mut inventory.telemetry;
    named.get_or_insert_with(|| collector_url.clone());
    let options =
        storefront::Options { inventory: back_url.clone(), telemetry: inventory.telemetry.clone() };
    let collector = collector::serve(collector)?;
    let inventory = inventory::serve(back, &inventory)?;
    let storefront = storefront::serve(front, &options)?;
    for (name, url) in
        [("collector", collector_url), ("inventory", back_url), ("storefront", front_url)]
    {
        println!("{name} listening on {}", url.origin().ascii_serialization());
    }
    tokio::try_join!(collector, inventory, storefront)?;
    Ok(())
}

fn url(listener: &TcpListener) -> anyhow::Result<Url> {
    Ok(Url::parse(&format!("http://{}", listener.local_addr()?))?)
}
