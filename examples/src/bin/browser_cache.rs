//! Serves pages that browsers keep. Prints its URL when it is ready.

use clap::Parser;
use tracehop_examples::browser_cache;
use tracehop_examples::standalone::Listen;

#[derive(Parser)]
#[command(version, about = "Pages that browsers keep, to be opened several times")]
struct Arguments {
    #[command(flatten)]
    listen: Listen,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    Arguments::parse().listen.serve("browser_cache", browser_cache::serve).await
}
