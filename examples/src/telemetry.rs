//! The set-up of a service: its propagator, Sentry's SDK, and where the SDK sends envelopes.
//!
//! Propagator and SDK get the same DSN, release, environment and rate. One [`SentryRecorder`] joins them: the
//! propagator records with it, and it wraps the SDK's transport.

mod copies;
mod destinations;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sentry::protocol::Event;
use sentry::{Client, ClientOptions, Hub};
use tracehop::{Propagator, PropagatorBuilder};
use tracehop_sentry::SentryRecorder;
use url::Url;

use self::copies::WithCopies;
pub use self::destinations::Destinations;

/// The options that say where a service sends its envelopes.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
pub struct Options {
    /// The project in Sentry that gets the envelopes
    #[arg(long, value_name = "DSN", env = "SENTRY_DSN", hide_env_values = true)]
    pub dsn: Option<String>,
    /// A collector that gets the envelopes as well, and draws their traces
    #[arg(long, value_name = "URL")]
    pub collector: Option<Url>,
    /// A Spotlight that gets the envelopes as well; `true` for the one of this machine
    #[arg(long, value_name = "URL", env = "SENTRY_SPOTLIGHT")]
    pub spotlight: Option<String>,
    /// The number of the organisation, if the DSN does not contain it, as with a self-hosted Sentry
    #[arg(long, value_name = "NUMBER")]
    pub org_id: Option<u64>,
}

/// The propagator and the SDK's client of one service.
#[derive(Debug)]
pub(crate) struct Telemetry {
    propagator: Propagator,
    client: Arc<Client>,
    destinations: Destinations,
}

/// The longest time for one request to a destination, and for sending the rest at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The share of traces to sample: all of them.
const RATE: f64 = 1.0;

/// The environment of both services.
pub(crate) const ENVIRONMENT: &str = "demo";

impl Telemetry {
    /// Sets up the propagator and the SDK's client of a service.
    ///
    /// # Errors
    ///
    /// An option is not a valid address, or `configure` set an option that `build` refuses.
    pub(crate) fn new(
        service: &str,
        options: &Options,
        configure: impl FnOnce(PropagatorBuilder) -> PropagatorBuilder,
    ) -> anyhow::Result<Self> {
        let destinations = Destinations::new(options)?;
        let release = release(service);
        let recorder = SentryRecorder::new();
        let mut builder = Propagator::builder()
            .release(&release)
            .environment(ENVIRONMENT)
            .traces_sample_rate(RATE)
            .recorder(recorder.clone());
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
                .attach_stacktrace(true)
                .before_send(mark_own_frames)
                .transport(recorder.transport(transport)),
        );
        // After the defaults, which read the environment if these are not set.
        client.dsn = destinations.dsn().cloned();
        client.org_id = options.org_id.map(Into::into).or(client.org_id);
        let client = Arc::new(Client::from_config(client));
        // Reads the debug symbols now. At the first error it would take most of the time of that request.
        sentry::integrations::backtrace::current_stacktrace();
        Ok(Self { propagator, client, destinations })
    }

    pub(crate) fn propagator(&self) -> Propagator {
        self.propagator.clone()
    }

    pub(crate) fn destinations(&self) -> &Destinations {
        &self.destinations
    }

    /// Binds the client of this service to the hub of the current thread. `sentry::init` would bind it for the whole
    /// process, but the demo has two services in one process.
    pub(crate) fn bind(&self) {
        Hub::current().bind_client(Some(Arc::clone(&self.client)));
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Sends the envelopes that are still waiting, as the guard of `sentry::init` does.
        self.client.close(Some(PATIENCE));
    }
}

/// Marks the frames of this crate as those of the application, and no other. The SDK looks for the crate in the names of
/// functions, where that of an `async fn` lacks it.
fn mark_own_frames(mut event: Event<'static>) -> Option<Event<'static>> {
    let stacks = event.threads.iter_mut().filter_map(|thread| thread.stacktrace.as_mut());
    for frame in stacks.flat_map(|stack| &mut stack.frames) {
        let path = frame.abs_path.as_deref().unwrap_or_default();
        frame.in_app = Some(path.starts_with(env!("CARGO_MANIFEST_DIR")));
    }
    Some(event)
}

/// Returns the release of a service, in Sentry's form `name@version`.
pub(crate) fn release(service: &str) -> String {
    format!("{service}@{}", env!("CARGO_PKG_VERSION"))
}
