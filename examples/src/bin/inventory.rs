//! The service `inventory` alone. Prints its URL when it is ready.

use clap::Parser;
use tracehop_examples::inventory;
use tracehop_examples::standalone::Listen;

#[derive(Parser)]
#[command(version, about = "The example service inventory")]
struct Arguments {
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    options: inventory::Options,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, options } = Arguments::parse();
    listen.serve("inventory", |listener| inventory::serve(listener, &options)).await
}
