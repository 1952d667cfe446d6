//! A collector of envelopes. Prints its URL when it is ready.

use clap::Parser;
use tracehop_examples::collector;
use tracehop_examples::standalone::Listen;

#[derive(Parser)]
#[command(version, about = "A collector of the envelopes that Sentry's SDKs send")]
struct Arguments {
    #[command(flatten)]
    listen: Listen,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    Arguments::parse().listen.serve("collector", collector::serve).await
}
