//! Services that pass requests on, each with another implementation of trace propagation, and what is common to
//! them.
//!
//! All of them, and those in other languages beside this crate, do the same: `GET /relay?next=URL` calls that URL
//! and answers with a [`Reply`], which holds the reply of the next. So one request goes through a chain of services,
//! and what comes back tells what each of them saw.

#![forbid(unsafe_code)]

mod options;
mod relay;
mod service;

pub use options::{Options, client_options};
pub use relay::{Arrived, Next, Reply, Seen, next};
pub use service::{Arguments, serve};
