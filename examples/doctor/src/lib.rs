//! Finds out whether a service hands its traces on, and what is wrong if it does not.
//!
//! [`ask`] is for a service that can be called: it sends a request with a trace of its own and looks at what comes
//! back. [`serve`] is for one that calls others: it is an endpoint that explains the headers which arrive.

mod ask;
mod headers;
mod listen;
mod report;

pub use ask::{Question, ask};
pub use headers::explain;
pub use listen::serve;
pub use report::{Check, Part, Report, Verdict};
