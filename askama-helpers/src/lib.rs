//! Sentry trace propagation for [askama](https://docs.rs/askama): the trace of a request as meta tags, from
//! which the page's script continues it.
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
//! looks for. Values are escaped. A trace without a dynamic sampling context has no `baggage` tag.
//!
//! Rendering the tags hands the trace on, and freezes its dynamic sampling context.
//!
//! A page without an SDK continues the trace with the [`PageScript`], or with htmx and the filter `hx_headers`. See
//! [`filters`] for all filters, what they take, and where their values are safe.
//!
//! # Pages that are cached
//!
//! A cached page gives its trace to every visit, and all these page loads are in one trace. Do not render tags
//! into pages that caches may show again without asking: without tags, the browser starts a trace of its own. With the
//! feature `tracing`, the middleware of tracehop-actix and of tracehop's `tower` warns of a cached page with tags.
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
//! A template whose `trace` is of a type without a trace does not compile either. The compiler's message, which comes
//! from [`HasTrace`], says what to do:
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
mod page_script;
mod rendered;

pub use page_script::PageScript;
pub use rendered::{HxHeaders, TraceMeta};
#[doc(no_inline)]
pub use tracehop;
#[doc(no_inline)]
pub use tracehop::html::HasTrace;

/// Compiles the examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
