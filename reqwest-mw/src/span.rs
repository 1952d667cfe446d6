//! The span of a call in the logs. Without the feature `tracing` there is none, and this costs nothing.

use reqwest::{Request, Response};
#[cfg(feature = "tracing")]
use reqwest_middleware::Error;
use reqwest_middleware::Result;
use tracehop::PropagationContext;
#[cfg(feature = "tracing")]
use tracing::level_filters::LevelFilter;

/// The span of a call; none if nobody listens.
pub(crate) struct CallSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

#[cfg(feature = "tracing")]
impl CallSpan {
    pub(crate) fn open(context: Option<&PropagationContext>, request: &Request) -> Self {
        // Asked for first, since with the feature `log` of `tracing` a span is a line of its own where nobody listens.
        if LevelFilter::current() < LevelFilter::INFO {
            return Self { span: tracing::Span::none() };
        }
        let span = tracing::info_span!(
            target: "tracehop_reqwest",
            "http.client",
            trace_id = context.map(|context| tracing::field::display(context.trace_id())),
            span_id = context.map(|context| tracing::field::display(context.span_id())),
            method = tracehop::known_method(request.method().as_str()),
            url = &*tracehop::without_secrets(request.url().as_str()),
            status = tracing::field::Empty,
            error = tracing::field::Empty,
        );
        Self { span }
    }

    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        self.span.in_scope(f)
    }

    /// Makes the call in the span, which then says how it went.
    pub(crate) async fn around(
        self,
        call: impl Future<Output = Result<Response>>,
    ) -> Result<Response> {
        let result = tracing::Instrument::instrument(call, self.span.clone()).await;
        match &result {
            Ok(response) => self.span.record("status", response.status().as_u16()),
            Err(error) => self.span.record("error", kind(error)),
        };
        result
    }
}

#[cfg(not(feature = "tracing"))]
impl CallSpan {
    pub(crate) fn open(_: Option<&PropagationContext>, _: &Request) -> Self {
        Self {}
    }

    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    pub(crate) async fn around(
        self,
        call: impl Future<Output = Result<Response>>,
    ) -> Result<Response> {
        call.await
    }
}

/// The kind of an error. Its text has the whole URL, and what other middleware wrote.
#[cfg(feature = "tracing")]
fn kind(error: &Error) -> &'static str {
    let Error::Reqwest(error) = error else { return "middleware" };
    #[cfg(not(target_arch = "wasm32"))]
    let is_connect = error.is_connect();
    #[cfg(target_arch = "wasm32")]
    let is_connect = false;
    [
        (error.is_timeout(), "timeout"),
        (is_connect, "connect"),
        (error.is_redirect(), "redirect"),
        (error.is_body(), "body"),
        (error.is_decode(), "decode"),
        (error.is_builder(), "builder"),
        (error.is_status(), "status"),
    ]
    .into_iter()
    .find_map(|(is, kind)| is.then_some(kind))
    .unwrap_or("request")
}
