//! Serves pages for callers who mean harm. Prints where it listens when it is ready.

use clap::Parser;
use tracehop_examples::hostile;
use tracehop_examples::standalone::Listen;

#[derive(Parser)]
#[command(version, about = "Pages for callers who mean harm, for a browser to look at")]
struct Arguments {
    #[command(flatten)]
    listen: Listen,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    Arguments::parse().listen.serve("hostile", hostile::serve).await
}
