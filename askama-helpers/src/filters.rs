//! The filters: write `use tracehop_askama::filters;` where the template's struct is.
//!
//! | in a template | writes |
//! |---|---|
//! | `{{ trace\|trace_meta }}` | all tags, one a line |
//! | `<meta name="sentry-trace" content="{{ trace\|sentry_trace }}">` | the bare value, for a tag of your own |
//! | `<meta name="baggage" content="{{ trace\|baggage }}">` | the bare list, for a tag of your own; empty if there is none |
//!
//! No filter fails. Templates escape the values, as they escape every text.
//!
//! ```
//! use askama::Template;
//! use tracehop_askama::filters;
//! use tracehop_askama::tracehop::{PropagationContext, Propagator};
//!
//! #[derive(Template)]
//! #[template(ext = "html", source = r#"<meta name="sentry-trace" content="{{ trace|sentry_trace }}">"#)]
//! struct Head {
//!     trace: PropagationContext,
//! }
//!
//! let trace = Propagator::builder().build()?.start_new_trace();
//! let head = Head { trace: trace.clone() }.render()?;
//! assert!(head.contains(trace.trace_data().sentry_trace()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Beside filters of your own
//!
//! A template looks for filters in the module `filters` in scope. A module with filters of your own re-exports these:
//!
//! ```
//! mod filters {
//!     pub use tracehop_askama::filters::*;
//!
//!     #[askama::filter_fn]
//!     pub fn shout(text: &str, _: &dyn askama::Values) -> askama::Result<String> {
//!         Ok(text.to_uppercase())
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! All take a value that [has a trace](HasTrace): a [`PropagationContext`](tracehop::PropagationContext), or the
//! extractor of `tracehop-actix`.

// Askama makes a type of each filter, without the documentation here.
#![allow(missing_docs, missing_debug_implementations, clippy::missing_errors_doc)]

use askama::Values;
use tracehop::hop::trace_data_for_page;

use crate::{HasTrace, TraceMeta};

/// `{{ trace|trace_meta }}`: all tags, one a line.
#[askama::filter_fn]
pub fn trace_meta<T: HasTrace>(trace: T, _: &dyn Values) -> askama::Result<TraceMeta<T>> {
    Ok(TraceMeta::of(trace))
}

/// `<meta name="sentry-trace" content="{{ trace|sentry_trace }}">`: the bare value, for a tag of your own.
#[askama::filter_fn]
pub fn sentry_trace<T: HasTrace>(trace: T, _: &dyn Values) -> askama::Result<String> {
    Ok(trace_data_for_page(trace.trace()).sentry_trace().to_owned())
}

/// `<meta name="baggage" content="{{ trace|baggage }}">`: the bare list, for a tag of your own. Empty if
/// there is none. The template escapes it, as it does every text.
#[askama::filter_fn]
pub fn baggage<T: HasTrace>(trace: T, _: &dyn Values) -> askama::Result<String> {
    let baggage = trace_data_for_page(trace.trace()).baggage();
    Ok(baggage.map(ToString::to_string).unwrap_or_default())
}
