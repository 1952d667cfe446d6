use std::fmt;

use askama::filters::{Escaper, Html, HtmlSafe};
use askama::{FastWritable, Values};
use tracehop::PropagationContext;
use tracehop::hop::trace_data_for_page;

use crate::HasTrace;

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
/// The tags are HTML in templates of any format. `to_string` makes them for other template engines.
///
/// `T` is the value that [has the trace](HasTrace): a context, or the value that a template gives to the filter.
#[derive(Debug, Clone)]
#[must_use = "the page's script cannot go on from tags that are not rendered"]
pub struct TraceMeta<T = PropagationContext> {
    trace: T,
}

impl TraceMeta {
    /// Makes the tags of a trace. Their values are read when they are rendered.
    pub fn new(context: impl AsRef<PropagationContext>) -> Self {
        Self { trace: context.as_ref().clone() }
    }
}

impl<T: HasTrace> TraceMeta<T> {
    pub(crate) fn of(trace: T) -> Self {
        Self { trace }
    }

    fn write(&self, dest: &mut dyn fmt::Write) -> fmt::Result {
        let data = trace_data_for_page(self.trace.trace());
        dest.write_str("<meta name=\"sentry-trace\" content=\"")?;
        // Digits and dashes need no escaping.
        dest.write_str(data.sentry_trace())?;
        if let Some(baggage) = data.baggage() {
            dest.write_str("\">\n<meta name=\"baggage\" content=\"")?;
            Html.write_escaped_str(&mut *dest, baggage.as_str())?;
        }
        dest.write_str("\">")
    }
}

impl<T: HasTrace> fmt::Display for TraceMeta<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// Lets askama write without `fmt::Formatter`.
impl<T: HasTrace> FastWritable for TraceMeta<T> {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        Ok(self.write(dest)?)
    }
}

/// The values are escaped in `write`.
impl<T: HasTrace> HtmlSafe for TraceMeta<T> {}
