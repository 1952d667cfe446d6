//! Two services and a browser page that share one trace.
//!
//! [`storefront`] renders a page with askama and asks [`inventory`], through reqwest-middleware, what is in
//! stock; the page's script asks it once more, from the browser. Both services record what they do with Sentry's
//! SDK, set up in [`telemetry`], and so does the page's script, without one.
//!
//! [`collector`] takes the envelopes that all of them send, or any other SDK, and draws the traces in them.
//!
//! Propagation is in few lines of each service: the middleware in its `App`, the client, the filter in the template,
//! and the transport of the SDK. The rest is a shop.

pub mod collector;
mod cookbook;
pub mod hostile;
pub mod inventory;
mod loopback;
pub mod standalone;
pub mod storefront;
pub mod telemetry;

/// Compiles the examples in the repository's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
