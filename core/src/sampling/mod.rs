//! The sampling decision, and the numbers that it is made from.
//!
//! The rules are those of
//! [Dynamic Sampling Context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/)
//! and [Traces](https://develop.sentry.dev/sdk/telemetry/traces/) in Sentry's SDK specification.

mod decision;
mod draw;
mod error;
mod number;
mod rand;
mod rate;
mod sampler;

pub(crate) use decision::Decision;
pub use error::SampleError;
pub use rand::SampleRand;
pub use rate::SampleRate;
pub(crate) use sampler::Sampler;
pub use sampler::SamplingContext;
