//! The filters: write `use tracehop_askama::filters;` where the template's struct is.
//!
//! | in a template | writes |
//! |---|---|
//! | `{{ trace\|trace_meta }}` | all tags, one a line |
//! | `<body {{ trace\|hx_headers }}>` | the attribute `hx-headers`, with which htmx sends the trace |
//! | `<meta name="sentry-trace" content="{{ trace\|sentry_trace }}">` | the bare value, for a tag of your own |
//! | `<meta name="baggage" content="{{ trace\|baggage }}">` | the bare list, for a tag of your own; empty if there is none |
//!
//! No filter fails. Templates escape the bare values, as they escape every text.
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
//! # What they take
//!
//! All filters take a value that [has a trace](HasTrace): a [`PropagationContext`](tracehop::PropagationContext), the
//! extractor of `tracehop-actix`, and references, boxes, `Rc`, `Arc` and `Option` of these. [`None`] renders nothing.
//! A generic template takes any of these values:
//!
//! ```
//! use askama::Template;
//! use tracehop_askama::{HasTrace, filters};
//!
//! #[derive(Template)]
//! #[template(ext = "html", source = "<head>{{ trace|trace_meta }}</head>")]
//! struct Page<T: HasTrace> {
//!     trace: T,
//! }
//! # fn main() {}
//! ```
//!
//! For a value that is only `AsRef<PropagationContext>`, write `{{ trace.as_ref()|trace_meta }}`.
//!
//! # Where the bare values are safe
//!
//! The text of the baggage is client input. The template escapes it for HTML only:
//!
//! | place | `{{ trace\|baggage }}` is |
//! |---|---|
//! | text of an element: `<p>…</p>` | safe |
//! | attribute in quotes: `content="…"`, `data-baggage='…'` | safe |
//! | script: `<script>const baggage = …` , also in quotes or in a template literal | **unsafe**: the baggage may run as code |
//! | event attribute: `onclick="send('…')"` | **unsafe**: the browser decodes the escapes before it runs the code |
//! | comment, style | **unsafe** |
//!
//! A script gets the values from the tags, from a `data-` attribute, or from an element of JSON:
//!
//! ```
//! use askama::Template;
//! use tracehop_askama::filters;
//! use tracehop_askama::tracehop::{PropagationContext, Propagator};
//!
//! #[derive(Template)]
//! #[template(ext = "html", source = r#"
//! <button data-baggage="{{ trace|baggage }}">Buy</button>
//! <script>
//!   document.querySelector("button").onclick = ({ target }) => console.log(target.dataset.baggage);
//! </script>"#)]
//! struct Buy {
//!     trace: PropagationContext,
//! }
//! # let trace = Propagator::builder().build()?.start_new_trace();
//! # assert!(Buy { trace }.render()?.contains("data-baggage=\"sentry-"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Askama's filter [`json`](https://docs.rs/askama/latest/askama/filters/fn.json.html) (its feature `serde_json`) escapes
//! what would end a script element:
//!
//! ```
//! use askama::Template;
//! use tracehop_askama::filters;
//! use tracehop_askama::tracehop::{PropagationContext, Propagator};
//!
//! #[derive(Template)]
//! #[template(ext = "html", source = r#"
//! <script type="application/json" id="baggage">{{ trace|baggage|json|safe }}</script>
//! <script>
//!   const baggage = JSON.parse(document.getElementById("baggage").textContent);
//! </script>"#)]
//! struct Buy {
//!     trace: PropagationContext,
//! }
//! # let trace = Propagator::builder().build()?.start_new_trace();
//! # assert!(Buy { trace }.render()?.contains("id=\"baggage\">\"sentry-"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Indented tags
//!
//! Askama's `indent` returns text, which the template escapes. Mark it as HTML again, with `safe`, or use a block
//! `{% filter indent(4)|safe %}{{ trace|trace_meta }}{% endfilter %}`:
//!
//! ```
//! use askama::Template;
//! use tracehop_askama::filters;
//! use tracehop_askama::tracehop::{PropagationContext, Propagator};
//!
//! #[derive(Template)]
//! #[template(ext = "html", source = "<head>\n    {{ trace|trace_meta|indent(4)|safe }}\n</head>")]
//! struct Page {
//!     trace: PropagationContext,
//! }
//!
//! let trace = Propagator::builder().build()?.start_new_trace();
//! assert!(Page { trace }.render()?.contains("\n    <meta name=\"baggage\""));
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

// Askama makes a type of each filter, and does not put the documentation on it.
#![allow(missing_docs, missing_debug_implementations, clippy::missing_errors_doc)]

use askama::Values;
use tracehop::hop::trace_data_for_page;

use crate::{HasTrace, HxHeaders, TraceMeta};

/// `{{ trace|trace_meta }}`: all tags, one a line.
#[askama::filter_fn]
pub fn trace_meta<T: HasTrace>(trace: T, _: &dyn Values) -> askama::Result<TraceMeta<T>> {
    Ok(TraceMeta::of(trace))
}

/// `<body {{ trace|hx_headers }}>`: the attribute with which htmx sends the trace.
#[askama::filter_fn]
pub fn hx_headers<T: HasTrace>(trace: T, _: &dyn Values) -> askama::Result<HxHeaders<T>> {
    Ok(HxHeaders::of(trace))
}

/// `<meta name="sentry-trace" content="{{ trace|sentry_trace }}">`: the bare value, for a tag of your own.
#[askama::filter_fn]
pub fn sentry_trace<T: HasTrace>(trace: T, _: &dyn Values) -> askama::Result<String> {
    let data = trace.trace().map(trace_data_for_page);
    Ok(data.map(|data| data.sentry_trace().to_owned()).unwrap_or_default())
}

/// `<meta name="baggage" content="{{ trace|baggage }}">`: the bare list, for a tag of your own. Empty if
/// there is none. The template escapes it, as it does every text.
#[askama::filter_fn]
pub fn baggage<T: HasTrace>(trace: T, _: &dyn Values) -> askama::Result<String> {
    let baggage = trace.trace().and_then(|trace| trace_data_for_page(trace).baggage());
    Ok(baggage.map(ToString::to_string).unwrap_or_default())
}
