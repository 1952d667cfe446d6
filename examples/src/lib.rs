//! Two services and a browser page that share one trace.
//!
//! [`storefront`] renders a page with askama. For the stock it calls [`inventory`] through reqwest-middleware. The
//! script of the page calls inventory as well, from the browser: it has the trace from the page script of
//! tracehop-askama, and sends an envelope that it makes itself. Both services record with Sentry's SDK, set up in
//! [`telemetry`].
//!
//! [`collector`] accepts the envelopes of these three, and of any SDK, and draws the traces in them.
//!
//! A service needs few lines for propagation: the recorder on the propagator, the middleware in its `App`, the client,
//! and the filter in the template.

pub mod collector;
mod cookbook;
pub mod inventory;
mod loopback;
pub mod standalone;
pub mod storefront;
pub mod telemetry;
