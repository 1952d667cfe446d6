//! The trace in a page: as meta tags, and as an attribute for htmx. For any template engine.
//!
//! [`meta_tags`](PropagationContext::meta_tags) and [`hx_headers`](PropagationContext::hx_headers) return values that
//! are [`Display`](fmt::Display): they are whole pieces of HTML, and everything in them is escaped. In a template engine
//! that escapes text, mark them as HTML:
//!
//! | engine | how |
//! |---|---|
//! | askama | the filters of [tracehop-askama](https://docs.rs/tracehop-askama) |
//! | minijinja | `Value::from_safe_string(trace.meta_tags().to_string())` |
//! | maud | `(PreEscaped(trace.meta_tags().to_string()))` |
//! | tera | `{{ trace_meta \| safe }}` |
//! | `format!` | `{}` |
//!
//! # Where bare values are safe
//!
//! The values of [`trace_data`](PropagationContext::trace_data) are not escaped, and the text of the baggage is client
//! input. Escaped for HTML, a value is safe as text and in an attribute in quotes. It is not safe in a
//! script, an event attribute such as `onclick`, a template literal or a comment: there its text may run as code, escaped
//! or not. A script reads the tags, or a `data-` attribute:
//!
//! ```
//! use tracehop::Propagator;
//!
//! let trace = Propagator::builder().build()?.start_new_trace();
//! let page = format!(
//!     r#"<head>{}</head>
//! <script>
//!   const baggage = document.querySelector("meta[name=baggage]")?.content;
//! </script>"#,
//!     trace.meta_tags(),
//! );
//! # assert!(page.contains("<meta name=\"baggage\""));
//! # Ok::<(), tracehop::BuildError>(())
//! ```
//!
//! # Pages that are cached
//!
//! A cached page gives its trace to every visitor. Do not render either value into a page that a cache
//! [may reuse](crate::hop::may_be_reused).

use std::fmt::{self, Write as _};
use std::rc::Rc;
use std::sync::Arc;

use crate::context::PropagationContext;
use crate::hop::trace_data_for_page;

impl PropagationContext {
    /// Returns the meta tags of a page, one a line, for the
    /// [browser SDK](https://docs.sentry.io/platforms/javascript/tracing/distributed-tracing/custom-instrumentation/)
    /// or the page's own script. Everything is escaped.
    ///
    /// There is no `baggage` tag if the dynamic sampling context is empty. The values are read when the tags are
    /// written, which freezes the dynamic sampling context.
    ///
    /// ```
    /// let trace = tracehop::Propagator::builder().build()?.start_new_trace();
    /// let page = format!("<head>{}</head>", trace.meta_tags());
    /// assert!(page.starts_with("<head><meta name=\"sentry-trace\" content=\""));
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    pub fn meta_tags(&self) -> MetaTags<'_> {
        MetaTags { context: self }
    }

    /// Returns the attribute [`hx-headers`](https://htmx.org/attributes/hx-headers/): htmx then sends the trace with
    /// each request of the element and of all elements in it. Everything is escaped.
    ///
    /// All these requests have the span of this service as their parent span. htmx itself sends them to the page's own
    /// origin alone, unless its option `selfRequestsOnly` is off.
    ///
    /// ```
    /// let trace = tracehop::Propagator::builder().build()?.start_new_trace();
    /// let page = format!("<body {}></body>", trace.hx_headers());
    /// assert!(page.starts_with(r#"<body hx-headers='{"sentry-trace": ""#));
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    pub fn hx_headers(&self) -> HxHeaders<'_> {
        HxHeaders { context: self }
    }
}

/// The meta tags of a trace: see [`PropagationContext::meta_tags`].
#[derive(Debug, Clone, Copy)]
#[must_use = "the page's script cannot continue from tags that are not rendered"]
pub struct MetaTags<'a> {
    context: &'a PropagationContext,
}

impl fmt::Display for MetaTags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = trace_data_for_page(self.context);
        write!(f, "<meta name=\"sentry-trace\" content=\"{}\">", Escaped(data.sentry_trace()))?;
        match data.baggage() {
            Some(baggage) => {
                write!(f, "\n<meta name=\"baggage\" content=\"{}\">", Escaped(baggage.as_str()))
            }
            None => Ok(()),
        }
    }
}

/// The attribute `hx-headers` of a trace: see [`PropagationContext::hx_headers`].
#[derive(Debug, Clone, Copy)]
#[must_use = "htmx sends no headers of an attribute that is not rendered"]
pub struct HxHeaders<'a> {
    context: &'a PropagationContext,
}

impl HxHeaders<'_> {
    /// Returns the bare value of the attribute, JSON that is not escaped, for engines that write attributes themselves.
    ///
    /// ```
    /// let trace = tracehop::Propagator::builder().build()?.start_new_trace();
    /// assert!(trace.hx_headers().json().starts_with(r#"{"sentry-trace": ""#));
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    #[must_use]
    pub fn json(&self) -> String {
        let data = trace_data_for_page(self.context);
        // Neither value has `"`, `\` or control characters, so JSON needs no escaping of its own.
        let mut json = ["{\"sentry-trace\": \"", data.sentry_trace(), "\""].concat();
        if let Some(baggage) = data.baggage() {
            json.extend([", \"baggage\": \"", baggage.as_str(), "\""]);
        }
        json.push('}');
        json
    }
}

impl fmt::Display for HxHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hx-headers='")?;
        // In single quotes the double quotes of JSON can stay.
        for (index, part) in self.json().split('"').enumerate() {
            let quote = if index == 0 { "" } else { "\"" };
            write!(f, "{quote}{}", Escaped(part))?;
        }
        f.write_char('\'')
    }
}

/// Text that is safe between tags and in an attribute in quotes of either kind.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let is_special = |byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'');
        while let Some(at) = rest.bytes().position(is_special) {
            let (plain, special) = rest.split_at(at);
            write!(f, "{plain}&#{};", special.as_bytes()[0])?;
            rest = &special[1..];
        }
        f.write_str(rest)
    }
}

/// A value that may have a trace for a template to render.
///
/// Contexts, the extractors of the adapters, references, boxes, [`Rc`] and [`Arc`] of these have one. [`None`] has none,
/// and renders nothing. Implement it for a type of your own that holds a trace:
///
/// ```
/// use tracehop::PropagationContext;
/// use tracehop::html::HasTrace;
///
/// struct Visit {
///     trace: PropagationContext,
/// }
///
/// impl HasTrace for Visit {
///     fn trace(&self) -> Option<&PropagationContext> {
///         Some(&self.trace)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no trace that a template could render",
    label = "this template renders the trace of a `{Self}`",
    note = "give the filter a `tracehop::PropagationContext`, or the extractor `tracehop_actix::Trace` of the handler",
    note = "if there may be no trace, give an `Option` of these; a type of your own implements `tracehop::html::HasTrace`"
)]
pub trait HasTrace {
    /// Returns the trace; `None` renders nothing.
    fn trace(&self) -> Option<&PropagationContext>;
}

impl HasTrace for PropagationContext {
    fn trace(&self) -> Option<&PropagationContext> {
        Some(self)
    }
}

impl<T: HasTrace> HasTrace for Option<T> {
    fn trace(&self) -> Option<&PropagationContext> {
        self.as_ref().and_then(HasTrace::trace)
    }
}

macro_rules! has_the_trace_of_its_target {
    ($($pointer:ty),*) => {
        $(
            impl<T: HasTrace + ?Sized> HasTrace for $pointer {
                fn trace(&self) -> Option<&PropagationContext> {
                    (**self).trace()
                }
            }
        )*
    };
}

has_the_trace_of_its_target!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Propagator;

    const SENTRY_TRACE: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";

    fn continued(baggage: &str) -> PropagationContext {
        let headers = [("sentry-trace", SENTRY_TRACE), ("baggage", baggage)];
        Propagator::builder().build().unwrap().continue_trace(&headers[..])
    }

    #[test]
    fn values_are_escaped_for_quotes_of_either_kind() {
        let trace = continued("sentry-a=1;p='<&>,sentry-sample_rand=0.5");
        let id = trace.trace_data().sentry_trace().to_owned();
        let baggage = "sentry-a=1;p=&#39;&#60;&#38;&#62;,sentry-sample_rand=0.5";
        assert_eq!(
            trace.meta_tags().to_string(),
            format!(
                "<meta name=\"sentry-trace\" content=\"{id}\">\n<meta name=\"baggage\" content=\"{baggage}\">"
            )
        );
        assert_eq!(
            trace.hx_headers().to_string(),
            format!("hx-headers='{{\"sentry-trace\": \"{id}\", \"baggage\": \"{baggage}\"}}'")
        );
        assert_eq!(Escaped("\"").to_string(), "&#34;");
    }

    #[test]
    fn an_empty_dsc_renders_no_baggage() {
        let trace = continued("other=1");
        let id = trace.trace_data().sentry_trace().to_owned();
        assert_eq!(
            trace.meta_tags().to_string(),
            format!("<meta name=\"sentry-trace\" content=\"{id}\">")
        );
        assert_eq!(
            trace.hx_headers().to_string(),
            format!("hx-headers='{{\"sentry-trace\": \"{id}\"}}'")
        );
    }

    #[test]
    fn baggage_needs_no_escaping_in_json() {
        for byte in 0..=255_u8 {
            let line = [b"sentry-a=x", &[byte][..], b"y,sentry-sample_rand=0.5"].concat();
            let headers = [("sentry-trace", SENTRY_TRACE.as_bytes()), ("baggage", &line)];
            let trace = Propagator::builder().build().unwrap().continue_trace(&headers[..]);
            let baggage = trace.trace_data().baggage().unwrap().as_str();
            let is_plain = |it: char| matches!(it, ' '..='~') && !matches!(it, '"' | '\\');
            assert!(baggage.chars().all(is_plain), "{baggage:?}");
        }
    }

    #[test]
    fn pointers_and_options_have_the_trace_within() {
        let trace = continued("other=1");
        let id = Some(trace.span_id());
        let span_of = |has: &dyn HasTrace| has.trace().map(PropagationContext::span_id);
        assert_eq!(span_of(&trace), id);
        assert_eq!(span_of(&&trace), id);
        assert_eq!(span_of(&Arc::new(&trace)), id);
        assert_eq!(span_of(&Rc::new(Box::new(trace.clone()))), id);
        assert_eq!(span_of(&Arc::new(Some(trace.clone()))), id);
        assert_eq!(span_of(&Some(&mut trace.clone())), id);
        assert_eq!(span_of(&None::<PropagationContext>), None);
    }
}
