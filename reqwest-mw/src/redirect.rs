#[cfg(not(target_arch = "wasm32"))]
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use reqwest_middleware::Result;
#[cfg(not(target_arch = "wasm32"))]
use tracehop::Propagator;
use tracehop::hop::CarriedTrace;

tokio::task_local! {
    /// The request that is being made. Reqwest calls a redirect policy in the same task, with the URLs alone.
    static CARRIED: Carried;
}

/// What the request that is being made carries. Without guards: no trace, or one that may go everywhere.
#[derive(Clone, Default)]
struct Carried {
    /// The request, known by its URL: middleware further in may make others in the same task.
    #[cfg_attr(
        target_arch = "wasm32",
        allow(dead_code, reason = "only the redirect policy reads it")
    )]
    url: Option<Url>,
    /// The traces in its headers: one for each middleware that guards its redirects.
    guards: Vec<CarriedTrace>,
}

impl Carried {
    /// Whether the request may be redirected to a URL.
    #[cfg(not(target_arch = "wasm32"))]
    fn may_go_to(&self, first: Option<&Url>, next: &Url) -> bool {
        let is_same = |url: &Url| {
            first.is_none_or(|first| first.origin() == url.origin() && first.path() == url.path())
        };
        !self.url.as_ref().is_some_and(is_same)
            || self.guards.iter().all(|carried| carried.may_go_to(next))
    }
}

/// Awaits a request whose redirects are checked by a guard. The guard is `None` if the request carries no trace, or one
/// that may go everywhere.
///
/// `had_headers` says that the request came with trace headers: the guards of middleware further out then stay.
pub(crate) async fn carrying(
    url: Url,
    had_headers: bool,
    guard: Option<CarriedTrace>,
    request: impl Future<Output = Result<Response>>,
) -> Result<Response> {
    let outer =
        CARRIED.try_with(|outer| if had_headers { outer.clone() } else { Carried::default() });
    let mut guards = outer.unwrap_or_default().guards;
    guards.extend(guard.clone());
    let first = guard.as_ref().map(|_| url.clone());
    let url = Some(url).filter(|_| !guards.is_empty());
    let response = CARRIED.scope(Carried { url, guards }, request).await?;
    if let Some(carried) = guard.filter(|_| first.as_ref() != Some(response.url())) {
        let url = response.url();
        carried.check_redirect(
            url,
            || url.origin().ascii_serialization(),
            "`tracehop_reqwest::client` keeps them to the targets",
        );
    }
    Ok(response)
}

/// Makes a redirect policy, for the client below the middleware, that keeps trace headers to the targets of a
/// propagator. [`client`](crate::client) makes a whole client with it.
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
/// let policy = redirect_policy(&propagator, Policy::limited(3));
/// let client = reqwest::Client::builder().redirect(policy).build()?;
/// let client = ClientBuilder::new(client).with(TracePropagation::new(propagator)).build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// * A request without trace headers, because it goes to no target or is [without a
///   trace](crate::RequestBuilderExt), is redirected as usual, and gets no headers at the next URL. So is a request that
///   another middleware makes on its own in the same task.
/// * Where the policy cannot know what a request carries, because it runs in a task without the middleware, a redirect
///   from a target to a URL that is not a target is not followed.
/// * A target that redirects to its own `https` URL needs a target that matches both, such as
///   [`Target::host`](tracehop::Target::host).
///
/// The policy knows a request by its origin and path. It cannot see three things:
///
/// * Headers that the middleware did not write, such as those of [`inject`](crate::inject) to a URL that is not a
///   target of this propagator, in a task with the middleware.
/// * That a middleware further in changes the origin or the path of a request. Add such a middleware first.
/// * A request with the headers of another client's middleware, in another task, if this propagator has other targets.
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
pub fn redirect_policy(propagator: &Propagator, policy: Policy) -> Policy {
    let propagator = propagator.clone();
    Policy::custom(move |attempt| {
        let (previous, next) = (attempt.previous(), attempt.url());
        let may_go = CARRIED.try_with(|carried| carried.may_go_to(previous.first(), next));
        let may_go = may_go.unwrap_or_else(|_| {
            propagator.propagates_to(next)
                || !previous.iter().any(|url| propagator.propagates_to(url))
        });
        if may_go { policy.redirect(attempt) } else { attempt.stop() }
    })
}
