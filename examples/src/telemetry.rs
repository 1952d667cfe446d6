//! Where a service sends what it records, and the trace that it records in.
//!
//! Both services set up [`Propagator`] and Sentry's SDK in the same way, with the same options, so that both speak of
//! the same project, release and rate.

mod copies;
mod destinations;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sentry::{Client, ClientOptions, Hub};
use tracehop::{Propagator, PropagatorBuilder};
use url::Url;

use self::copies::WithCopies;
pub use self::destinations::Destinations;

/// Which trace data a service sends, and where to.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
pub struct Options {
    /// The project in Sentry that gets what is recorded
    #[arg(long, value_name = "DSN", env = "SENTRY_DSN", hide_env_values = true)]
    pub dsn: Option<String>,
    /// A collector that gets it as well, and draws it
    #[arg(long, value_name = "URL")]
    pub collector: Option<Url>,
    /// The Spotlight that gets it as well; `true` for the one of this machine
    #[arg(long, value_name = "URL", env = "SENTRY_SPOTLIGHT")]
    pub spotlight: Option<String>,
    /// The organisation's number, which the DSN of a self-hosted installation does not have
    #[arg(long, value_name = "NUMBER")]
    pub org_id: Option<u64>,
}

/// All that a service needs to record what it does.
#[derive(Debug)]
pub(crate) struct Telemetry {
    propagator: Propagator,
    client: Arc<Client>,
    destinations: Destinations,
}

/// How long one who is sent to may take to answer, and all of them together in the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything: nobody visits the shop so often.
const RATE: f64 = 1.0;

/// Where it all runs, as Sentry names it.
pub(crate) const ENVIRONMENT: &str = "demo";

impl Telemetry {
    /// # Errors
    ///
    /// Options that are no addresses.
    pub(crate) fn new(
        service: &str,
        options: &Options,
        configure: impl FnOnce(PropagatorBuilder) -> PropagatorBuilder,
    ) -> anyhow::Result<Self> {
        let destinations = Destinations::new(options)?;
        let release = release(service);
        let mut builder = Propagator::builder()
            .release(&release)
            .environment(ENVIRONMENT)
            .traces_sample_rate(RATE);
        if let Some(dsn) = destinations.dsn() {
            builder = builder.dsn(dsn.to_string());
        }
        if let Some(org_id) = options.org_id {
            builder = builder.org_id(org_id);
        }
        let propagator = configure(builder).build()?;

        let transport = WithCopies::to(&destinations);
        let mut client = sentry::apply_defaults(
            ClientOptions::new()
                .release(release)
                .environment(ENVIRONMENT)
                .traces_sample_rate(RATE as f32)
                .transport(propagator.sentry_transport(transport)),
        );
        // After the defaults, which would take what is in the environment for none that is given.
        client.dsn = destinations.dsn().cloned();
        client.org_id = options.org_id.map(Into::into).or(client.org_id);
        let client = Arc::new(Client::from_config(client));
        Ok(Self { propagator, client, destinations })
    }

    pub(crate) fn propagator(&self) -> Propagator {
        self.propagator.clone()
    }

    pub(crate) fn destinations(&self) -> &Destinations {
        &self.destinations
    }

    /// Makes the threads' hub one of this service's. `sentry::init` would do so for the whole process, in which the
    /// demo has two services.
    pub(crate) fn bind(&self) {
        Hub::current().bind_client(Some(Arc::clone(&self.client)));
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Sends what is not sent yet, as the guard of `sentry::init` does.
        self.client.close(Some(PATIENCE));
    }
}

/// The version of a service, as Sentry writes it.
pub(crate) fn release(service: &str) -> String {
    format!("{service}@{}", env!("CARGO_PKG_VERSION"))
}
