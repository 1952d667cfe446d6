//! Two services and a browser page that share one trace.
//!
//! [`storefront`] renders a page with askama and asks [`inventory`], through reqwest-middleware, what is in
//! stock; the page's script asks it once more, from the browser. Each keeps a report of its part, a
//! [`Hop`](hops::Hop), from which the storefront draws the trace.
//!
//! [`collector`] takes what the services' SDKs send, if they have one. [`doctor`] finds out of any service whether
//! it hands its traces on.
//!
//! Propagation is in few lines of each service: the middleware in its `App`, the client, and the filter in
//! the template. The rest is a shop.

pub mod collector;
mod cookbook;
pub mod doctor;
pub mod hops;
pub mod hostile;
pub mod inventory;
pub mod standalone;
pub mod storefront;
pub mod tree;

/// Compiles the examples in the repository's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
