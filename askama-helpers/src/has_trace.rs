use tracehop::PropagationContext;

/// A value with a trace that a template can render: everything that is [`AsRef`] of a [`PropagationContext`], such as a
/// context itself or the extractor of `tracehop-actix`.
///
/// Do not implement this trait, which exists for the compiler's message: implement `AsRef`.
///
/// ```
/// use askama::Template;
/// use tracehop_askama::filters;
/// use tracehop_askama::tracehop::{PropagationContext, Propagator};
///
/// struct Visit {
///     trace: PropagationContext,
/// }
///
/// impl AsRef<PropagationContext> for Visit {
///     fn as_ref(&self) -> &PropagationContext {
///         &self.trace
///     }
/// }
///
/// #[derive(Template)]
/// #[template(ext = "html", source = "<head>{{ visit|trace_meta }}</head>")]
/// struct Page {
///     visit: Visit,
/// }
///
/// let trace = Propagator::builder().build()?.start_new_trace();
/// assert!(Page { visit: Visit { trace } }.render()?.contains("sentry-trace"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no trace that a template could render",
    label = "this template renders the trace of a `{Self}`",
    note = "give the filter a `tracehop::PropagationContext`, or the extractor `tracehop_actix::Trace` of the handler",
    note = "what may have no trace needs an `{{% if let Some(trace) = trace %}}` around it"
)]
pub trait HasTrace {
    /// Returns the trace.
    fn trace(&self) -> &PropagationContext;
}

// Without this the message would be about `AsRef`, which says nothing of what to do.
#[diagnostic::do_not_recommend]
impl<T: AsRef<PropagationContext> + ?Sized> HasTrace for T {
    fn trace(&self) -> &PropagationContext {
        self.as_ref()
    }
}
