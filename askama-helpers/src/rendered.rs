//! What the filters return: values that askama writes unchanged, because they are escaped already.

use std::fmt;

use askama::filters::HtmlSafe;
use askama::{FastWritable, Values};
use tracehop::PropagationContext;

use crate::HasTrace;

macro_rules! rendered {
    ($(#[$documentation:meta])* $name:ident: $text:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone)]
        #[must_use = "a trace that is not rendered is not continued"]
        pub struct $name<T = PropagationContext> {
            trace: T,
        }

        impl $name {
            /// Makes the value from a trace. The trace's values are read when the template is rendered.
            pub fn new(context: impl AsRef<PropagationContext>) -> Self {
                Self { trace: context.as_ref().clone() }
            }
        }

        impl<T: HasTrace> $name<T> {
            pub(crate) fn of(trace: T) -> Self {
                Self { trace }
            }
        }

        impl<T: HasTrace> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.trace.trace().map_or(Ok(()), |trace| trace.$text().fmt(f))
            }
        }

        /// Writes the same text as [`Display`](fmt::Display). Askama prefers this trait.
        impl<T: HasTrace> FastWritable for $name<T> {
            fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
                Ok(write!(dest, "{self}")?)
            }
        }

        /// The values are escaped already.
        impl<T: HasTrace> HtmlSafe for $name<T> {}
    };
}

rendered! {
    /// The meta tags of a trace, for a template without the filter.
    ///
    /// ```
    /// use askama::Template;
    /// use tracehop_askama::TraceMeta;
    /// # use tracehop_askama::tracehop::Propagator;
    ///
    /// #[derive(Template)]
    /// #[template(ext = "html", source = "<head>{{ meta }}</head>")]
    /// struct Page {
    ///     meta: TraceMeta,
    /// }
    ///
    /// # let trace = Propagator::builder().build()?.start_new_trace();
    /// let html = Page { meta: TraceMeta::new(&trace) }.render()?;
    /// assert!(html.contains("<meta name=\"sentry-trace\""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The tags are HTML in templates of any format. `T` is the value that [has the trace](HasTrace): a context, or the
    /// value that a template gives to the filter.
    TraceMeta: meta_tags
}

rendered! {
    /// The attribute `hx-headers` of a trace, for a template without the filter.
    ///
    /// ```
    /// use askama::Template;
    /// use tracehop_askama::HxHeaders;
    /// # use tracehop_askama::tracehop::Propagator;
    ///
    /// #[derive(Template)]
    /// #[template(ext = "html", source = "<body {{ headers }}></body>")]
    /// struct Page {
    ///     headers: HxHeaders,
    /// }
    ///
    /// # let trace = Propagator::builder().build()?.start_new_trace();
    /// let html = Page { headers: HxHeaders::new(&trace) }.render()?;
    /// assert!(html.starts_with("<body hx-headers='{\"sentry-trace\": "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    HxHeaders: hx_headers
}
