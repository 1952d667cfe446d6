//! Benchmarks of propagation, beside other libraries.
//!
//! Each [`Row`] is the same work by this library and by a peer, on the same input. The benchmark `propagation` times
//! them. The binary `instructions` does one side of a row a number of times, for a profiler to count.

mod actix;
mod axum;
mod fixture;
mod rows;

pub use axum::{axum_layer, opentelemetry_spans};
pub use fixture::{Fixture, REQUEST_HEADERS, propagator};
pub use rows::{ROWS, Row, SIZES, Size, SizedHop};
