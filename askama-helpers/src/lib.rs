//! Sentry trace propagation for [askama](https://docs.rs/askama): the trace of a request, as the tags from
//! which the page's script goes on.
//!
//! ```
//! use askama::Template;
//! use tracehop_askama::filters;
//! use tracehop_askama::tracehop::{PropagationContext, Propagator};
//!
//! #[derive(Template)]
//! #[template(ext = "html", source = "<head>{{ trace|trace_meta }}</head>")]
//! struct Page {
//!     trace: PropagationContext,
//! }
//!
//! let propagator = Propagator::builder().release("shop@1.4.0").build()?;
//! let trace = propagator.start_new_trace();
//! let html = Page { trace: trace.clone() }.render()?;
//! assert!(html.starts_with(&format!(
//!     "<head><meta name=\"sentry-trace\" content=\"{}\">\n<meta name=\"baggage\" content=\"",
//!     trace.trace_data().sentry_trace(),
//! )));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The tags are those that the
//! [browser SDK](https://docs.sentry.io/platforms/javascript/tracing/distributed-tracing/custom-instrumentation/)
//! looks for. All that came from outside is escaped. A trace without dynamic sampling context has one tag
//! and no `baggage`.
//!
//! Rendering tags hands the trace on: the dynamic sampling context is frozen from then on.
//!
//! # Pages that are cached
//!
//! A page that a cache keeps gives its trace to every visitor, and their page loads all become one trace.
//! Render no tags into pages that shared caches may keep; the browser then begins a trace of its own. That a page
//! has tags is [known](tracehop::PropagationContext::is_in_page) to its trace, and tracehop-actix, with its feature
//! `tracing`, warns of one that is cached.
//!
//! # Templates without a trace
//!
//! A template whose data has no trace does not compile:
//!
//! ```compile_fail,E0609
//! use askama::Template;
//! use tracehop_askama::filters;
//!
//! #[derive(Template)]
//! #[template(ext = "html", source = "<head>{{ trace|trace_meta }}</head>")]
//! struct Page {
//!     title: String,
//! }
//! ```
//!
//! Nor does one whose `trace` is something else, and [the message](HasTrace) says what to do:
//!
//! ```compile_fail,E0277
//! use askama::Template;
//! use tracehop_askama::filters;
//!
//! #[derive(Template)]
//! #[template(ext = "html", source = "<head>{{ trace|trace_meta }}</head>")]
//! struct Page {
//!     trace: Option<String>,
//! }
//! ```
//!
//! "Cannot find module or crate `filters`" means that the line `use tracehop_askama::filters;` is missing where the
//! template's struct is.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod filters;
mod has_trace;
mod trace_meta;

pub use has_trace::HasTrace;
pub use trace_meta::TraceMeta;
#[doc(no_inline)]
pub use tracehop;

/// Compiles the examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
