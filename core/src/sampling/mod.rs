//! Rate and random number: what the sampling decision is made from.
//!
//! The rules are those of
//! [Dynamic Sampling Context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/)
//! and [Traces](https://develop.sentry.dev/sdk/telemetry/traces/) in Sentry's SDK specification.

mod draw;
mod error;
mod ordered;
mod rand;
mod rate;

pub use error::SampleError;
pub use rand::SampleRand;
pub use rate::SampleRate;
