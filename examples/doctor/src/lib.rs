//! Checks whether a service continues traces and hands them on, and reports what is wrong.
//!
//! * [`ask`] checks a service that can be called: it sends a request with a new trace and reads the response.
//! * [`serve`] checks a service that calls others: it is an endpoint that explains the headers of incoming requests.

mod ask;
mod headers;
mod listen;
mod report;

pub use ask::{Question, ask};
pub use headers::explain;
pub use listen::serve;
pub use report::{Check, Part, Report, Verdict};
