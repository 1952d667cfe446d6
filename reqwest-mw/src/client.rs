use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tracehop::Propagator;

use crate::{TracePropagation, redirect_policy};

/// Makes a client whose requests carry the trace, and whose redirects keep it to the targets.
///
/// The redirect policy of the builder is replaced by [`Policy::default`] in a [`redirect_policy`]. For another policy,
/// use that function.
///
/// ```
/// use tracehop_reqwest::tracehop::{Propagator, Target};
///
/// let propagator = Propagator::builder()
///     .trace_propagation_targets([Target::host("api.example.com")])
///     .build()?;
/// let client = tracehop_reqwest::client(reqwest::Client::builder(), propagator)?;
///
/// // More middleware can be added. It runs further in than this one.
/// let client = reqwest_middleware::ClientBuilder::from_client(client)
///     // .with(another)
///     .build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of [`reqwest::ClientBuilder::build`].
pub fn client(
    builder: reqwest::ClientBuilder,
    propagator: Propagator,
) -> reqwest::Result<ClientWithMiddleware> {
    let policy = redirect_policy(&propagator, Policy::default());
    let client = builder.redirect(policy).build()?;
    Ok(ClientBuilder::new(client).with(TracePropagation::new(propagator)).build())
}
