//! What propagation costs, beside what it costs others.
//!
//! Each [`Row`] is the same work done by this library and by a peer, on the same input. The benchmark times
//! them, and the binary `instructions` does each a given number of times, for a profiler to count.

mod fixture;
mod rows;

pub use fixture::{Fixture, REQUEST_HEADERS, propagator};
pub use rows::{ROWS, Row, SIZES, Size};
