//! Serves pages for hostile callers. Prints its URL when it is ready.

use clap::Parser;
use tracehop_examples::hostile;
use tracehop_examples::standalone::Listen;

#[derive(Parser)]
#[command(version, about = "Pages for hostile callers, to be opened in a browser")]
struct Arguments {
    #[command(flatten)]
    listen: Listen,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    Arguments::parse().listen.serve("hostile", hostile::serve).await
}
