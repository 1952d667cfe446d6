//! Services that call each other, each with another implementation of trace propagation.
//!
//! All of them do the same, and so do the services in other languages beside this crate. `GET /relay?next=URL` calls
//! that URL and answers with a [`Reply`], which has the reply of the next service. One request goes through a chain of
//! services, and its reply has what each of them saw.

#![forbid(unsafe_code)]

mod options;
mod ours;
mod relay;
mod service;

pub use options::{Options, client_options};
pub use ours::{OurArguments, Page, PageQuery, Tags};
pub use relay::{Arrived, Next, Reply, Seen, next};
pub use service::{Arguments, serve};
