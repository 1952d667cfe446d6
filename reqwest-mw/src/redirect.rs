#[cfg(feature = "tracing")]
use std::sync::Once;

#[cfg(not(target_arch = "wasm32"))]
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use reqwest_middleware::Result;
use tracehop::{PropagationContext, Propagator};

tokio::task_local! {
    /// What the request that is being made carries. A redirect policy is asked in the same task, and told
    /// nothing of the request but its URLs.
    static CARRIED: Option<Carried>;
}

/// The trace that a request carries and that must not go everywhere, and the client's propagator.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    propagator: Propagator,
    context: PropagationContext,
}

impl Carried {
    /// `None` if there are no targets to keep the trace to.
    pub(crate) fn new(propagator: &Propagator, context: &PropagationContext) -> Option<Self> {
        let is_kept = !propagator.propagates_everywhere(context);
        is_kept.then(|| Self { propagator: propagator.clone(), context: context.clone() })
    }

    fn may_go_to(&self, url: &Url) -> bool {
        self.propagator.propagates_to(&self.context, url)
    }

    /// Says once that a client follows redirects that it should not.
    #[cfg(feature = "tracing")]
    fn check(&self, response: &Response) {
        static SAID: Once = Once::new();
        if !self.may_go_to(response.url()) {
            SAID.call_once(|| {
                tracing::warn!(
                    origin = response.url().origin().ascii_serialization(),
                    "a redirect took trace headers to an origin that is no target; \
                     tracehop_reqwest::redirect_policy keeps them from there"
                );
            });
        }
    }
}

/// Makes a request that carries this, or nothing that is to be kept from anywhere.
pub(crate) async fn carrying(
    carried: Option<Carried>,
    request: impl Future<Output = Result<Response>>,
) -> Result<Response> {
    // Then the policy need not know of it, unless that hides what a request around this one carries.
    if carried.is_none() && CARRIED.try_with(|_| ()).is_err() {
        return request.await;
    }
    #[cfg(not(feature = "tracing"))]
    return CARRIED.scope(carried, request).await;
    #[cfg(feature = "tracing")]
    {
        let response = CARRIED.scope(carried.clone(), request).await?;
        if let Some(carried) = carried {
            carried.check(&response);
        }
        Ok(response)
    }
}

/// A redirect policy for the client below the middleware, which keeps trace headers to their targets.
///
/// Reqwest follows redirects by itself, and takes all headers along but the credentials that it knows, also to
/// another origin; a policy cannot drop any. So this one does not follow where a request that carries a trace
/// would be led to a URL that is no target: the caller gets the redirect itself, as with [`Policy::none`]. All
/// else is for the given policy to decide, [`Policy::default`] as a rule:
///
/// ```
/// use reqwest::redirect::Policy;
/// use reqwest_middleware::ClientBuilder;
/// # use tracehop_reqwest::tracehop::{Propagator, Target};
/// use tracehop_reqwest::{TracePropagation, redirect_policy};
///
/// # let propagator = Propagator::builder()
/// #     .trace_propagation_targets([Target::host("api.example.com")])
/// #     .build()?;
/// let client = reqwest::Client::builder().redirect(redirect_policy(Policy::default())).build()?;
/// let client = ClientBuilder::new(client).with(TracePropagation::new(propagator)).build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// * A request without trace headers, as it is no target or was told to have [none](crate::RequestBuilderExt),
///   is redirected as ever, and has none at the URL that it is led to either, be that a target or not.
/// * A target that redirects to its own `https` URL needs a target that has both, such as
///   [`Target::host`](tracehop::Target::host).
/// * Headers that the middleware did not write, such as those of [`inject`](crate::inject), are not known here.
///
/// To follow a redirect that was handed back, make a request without a trace:
///
/// ```no_run
/// use reqwest::header::LOCATION;
/// use tracehop_reqwest::RequestBuilderExt as _;
///
/// # async fn f(client: reqwest_middleware::ClientWithMiddleware) -> Result<(), Box<dyn std::error::Error>> {
/// let mut response = client.get("https://api.example.com/export").send().await?;
/// if let Some(location) = response.headers().get(LOCATION) {
///     let url = response.url().join(location.to_str()?)?;
///     response = client.get(url).without_trace().send().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[cfg(not(target_arch = "wasm32"))]
#[must_use]
pub fn redirect_policy(policy: Policy) -> Policy {
    Policy::custom(move |attempt| {
        let may_go = CARRIED.try_with(|carried| {
            carried.as_ref().is_none_or(|carried| carried.may_go_to(attempt.url()))
        });
        // Outside of the middleware nothing is carried.
        if may_go.unwrap_or(true) { policy.redirect(attempt) } else { attempt.stop() }
    })
}
