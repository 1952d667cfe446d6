use reqwest::Response;
#[cfg(not(target_arch = "wasm32"))]
use reqwest::redirect::Policy;
use reqwest_middleware::Result;
use tracehop::hop::CarriedTrace;

tokio::task_local! {
    /// The trace in the headers of the request that is being made, as each middleware on its way guards it. Reqwest
    /// calls a redirect policy in the same task, with the URLs alone.
    static CARRIED: Vec<CarriedTrace>;
}

/// Awaits a request that carries a trace, or a trace that may go everywhere.
///
/// `had_headers` says that the request came with a trace: a middleware further out may guard that, and goes on to.
pub(crate) async fn carrying(
    had_headers: bool,
    carried: Option<CarriedTrace>,
    request: impl Future<Output = Result<Response>>,
) -> Result<Response> {
    let outer = CARRIED.try_with(|outer| if had_headers { outer.clone() } else { Vec::new() });
    // Without a trace to guard, the policy needs an entry only to hide that of a request around this one.
    if carried.is_none() && outer.is_err() {
        return request.await;
    }
    let mut guards = outer.unwrap_or_default();
    guards.extend(carried.clone());
    let response = CARRIED.scope(guards, request).await?;
    if let Some(carried) = carried {
        let url = response.url();
        carried.check_redirect(
            url,
            &url.origin().ascii_serialization(),
            "`tracehop_reqwest::redirect_policy` keeps them to the targets",
        );
    }
    Ok(response)
}

/// Makes a redirect policy, for the client below the middleware, that keeps trace headers to their targets.
///
/// Reqwest follows redirects itself, and takes along all headers except the credentials that it knows, also to
/// another origin. A policy cannot drop headers. So this policy does not follow a redirect that would take a trace
/// to a URL that is not a target: the caller gets the redirect as the response, as with [`Policy::none`]. The given
/// policy, usually [`Policy::default`], decides about all other redirects:
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
/// * A request without trace headers, because it goes to no target or is [without a
///   trace](crate::RequestBuilderExt), is redirected as usual, and gets no headers at the next URL.
/// * A target that redirects to its own `https` URL needs a target that matches both, such as
///   [`Target::host`](tracehop::Target::host).
/// * The policy does not know of headers that the middleware did not write, such as those of
///   [`inject`](crate::inject).
///
/// To follow a redirect that was returned, make a request without a trace:
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
        let may_go = CARRIED
            .try_with(|guards| guards.iter().all(|carried| carried.may_go_to(attempt.url())));
        // Outside of the middleware no trace is carried.
        if may_go.unwrap_or(true) { policy.redirect(attempt) } else { attempt.stop() }
    })
}
