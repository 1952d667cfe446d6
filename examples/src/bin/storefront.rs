//! The service `storefront` alone. Prints its URL when it is ready.

use clap::Parser;
use tracehop_examples::standalone::Listen;
use tracehop_examples::storefront;

#[derive(Parser)]
#[command(version, about = "The example service storefront")]
struct Arguments {
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    options: storefront::Options,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, options } = Arguments::parse();
    listen.serve("storefront", |listener| storefront::serve(listener, &options)).await
}
