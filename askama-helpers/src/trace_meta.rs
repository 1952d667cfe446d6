use std::fmt;

use askama::filters::{Escaper, Html, HtmlSafe};
use askama::{FastWritable, Values};
use tracehop::{Field, PropagationContext};

/// The meta tags of a trace, for a template that uses no filter.
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
/// It is HTML, whatever the template is. `to_string` gives the tags to any other template engine.
#[derive(Debug, Clone)]
#[must_use = "the page's script cannot go on from tags that are not rendered"]
pub struct TraceMeta {
    context: PropagationContext,
}

impl TraceMeta {
    /// The tags of this trace. What they say is settled when they are rendered.
    pub fn new(context: impl AsRef<PropagationContext>) -> Self {
        Self { context: context.as_ref().clone() }
    }

    fn write(&self, dest: &mut dyn fmt::Write) -> fmt::Result {
        let data = self.context.trace_data_for_page();
        write_tag(dest, Field::SentryTrace, data.sentry_trace())?;
        if let Some(baggage) = data.baggage() {
            dest.write_str("\n")?;
            write_tag(dest, Field::Baggage, baggage.as_str())?;
        }
        Ok(())
    }
}

fn write_tag(dest: &mut dyn fmt::Write, field: Field, content: &str) -> fmt::Result {
    dest.write_str("<meta name=\"")?;
    dest.write_str(field.name())?;
    dest.write_str("\" content=\"")?;
    Html.write_escaped_str(&mut *dest, content)?;
    dest.write_str("\">")
}

impl fmt::Display for TraceMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// Spares askama the formatting machinery.
impl FastWritable for TraceMeta {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        Ok(self.write(dest)?)
    }
}

/// The content of the tags is escaped above.
impl HtmlSafe for TraceMeta {}
