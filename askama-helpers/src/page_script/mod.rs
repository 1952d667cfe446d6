//! The script that continues the trace of a page.

use std::fmt;

use askama::filters::HtmlSafe;
use askama::{FastWritable, Values};

/// The page script: an ES module that continues the page's trace in its requests, without an SDK.
///
/// It wraps `fetch` and `XMLHttpRequest`. Each request to the page's own origin, and to the origins that the page
/// lists, gets a `sentry-trace` with a span id of its own, and the `baggage` of the page behind that of the application.
/// Nothing is recorded, and nothing else is sent. The text has at most 1.2 KB with gzip.
///
/// # As a file
///
/// The name has a hash of the content: caches may keep the file for ever. Browsers check the
/// [integrity](https://www.w3.org/TR/SRI/) value.
///
/// ```
/// use askama::Template;
/// use tracehop_askama::tracehop::{PropagationContext, Propagator};
/// use tracehop_askama::{PageScript, filters};
///
/// #[derive(Template)]
/// #[template(
///     ext = "html",
///     source = r#"<head>
/// {{ trace|trace_meta }}
/// <meta name="trace-origins" content="https://api.example.com">
/// <script type="module" src="/{{ PageScript::FILE_NAME }}" integrity="{{ PageScript::INTEGRITY }}"></script>
/// </head>"#
/// )]
/// struct Page {
///     trace: PropagationContext,
/// }
///
/// let trace = Propagator::builder().build()?.start_new_trace();
/// assert!(Page { trace }.render()?.contains("src=\"/tracehop-"));
///
/// // The route of the file answers with this, in any framework.
/// let (path, body) = (format!("/{}", PageScript::FILE_NAME), PageScript::TEXT);
/// let headers = [("content-type", PageScript::CONTENT_TYPE), ("cache-control", PageScript::CACHE_CONTROL)];
/// # let _ = (path, body, headers);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Inline
///
/// A page with a [Content Security Policy](https://www.w3.org/TR/CSP3/) gives the element a nonce. The page's own code
/// may follow in the same element, where it can use `traceHeaders`:
///
/// ```
/// use askama::Template;
/// use tracehop_askama::PageScript;
///
/// #[derive(Template)]
/// #[template(
///     ext = "html",
///     source = r#"<script type="module" nonce="{{ nonce }}">{{ PageScript }}
/// new WebSocket(`/live?${new URLSearchParams(traceHeaders())}`);
/// </script>"#
/// )]
/// struct Page {
///     nonce: String,
/// }
///
/// let html = Page { nonce: "r4nd0m".to_owned() }.render()?;
/// assert!(html.contains(PageScript::TEXT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it reads
///
/// It reads the page anew at each request, because htmx, Turbo or a script may have swapped the tags:
///
/// | in the page | meaning |
/// |---|---|
/// | `<meta name="sentry-trace">`, `<meta name="baggage">` | the trace; of several tags the last one. A `baggage` of another trace is not sent |
/// | `Server-Timing` of the page's response | the trace of a page without a `sentry-trace` tag, or with an empty one |
/// | `<meta name="trace-origins" content="https://a.example https://b.example:8443">` | the other origins that get headers, separated by blanks. Their [CORS](https://fetch.spec.whatwg.org/#http-cors-protocol) must allow both headers |
///
/// Without a trace, or with a malformed one, nothing is added. A request with a `sentry-trace` of the application's is
/// left alone, such as one of htmx with the attribute of the filter [`hx_headers`](crate::filters). With this script a
/// page does not need that attribute.
///
/// htmx swaps the body of a boosted page, and not the tags of its head. To go on in the trace of the newer response, render
/// the tags into the content that is swapped: the last tags count.
///
/// # What it does not do
///
/// | | page script | [`@sentry/browser`](https://docs.sentry.io/platforms/javascript/) |
/// |---|---|---|
/// | size with gzip | 1 KB | 55 KB: version 11.12 with its tracing, bundled by esbuild |
/// | `fetch`, `XMLHttpRequest`, and what is made of them: htmx, Turbo, axios | continues the trace | continues the trace |
/// | which requests | own origin and listed origins | own origin, or `tracePropagationTargets` by text or pattern |
/// | spans: page load, navigation, requests, web vitals | none | yes |
/// | errors, session replay, profiles, feedback | none | yes |
/// | sampling | keeps the decision of the server | keeps it, or decides |
/// | a page without a trace | adds nothing | starts a trace |
/// | a navigation without a page load | goes on in the trace of the tags | starts a trace |
/// | `WebSocket`, `EventSource`, workers, forms, `sendBeacon` | by hand, with `traceHeaders()` | by hand, with `Sentry.getTraceData()` |
/// | mode `no-cors` | the browser drops the headers | the browser drops the headers |
/// | a redirect to another origin | the browser takes the headers along | the browser takes the headers along |
///
/// No spans means: in Sentry the called service's transaction has the id of a parent span that does not exist. The
/// transaction is in the page's trace all the same. A page that needs more loads the SDK: the script then does nothing.
///
/// **Redirects.** A browser takes all headers along to where a response redirects, and asks another origin by a
/// preflight first. If that origin does not allow the headers, the request fails. Let such a route of your own origin
/// answer with the URL, or allow the headers there.
///
/// # What it cannot wrap
///
/// The module exports `traceHeaders()`. It returns an object with the two headers, in which `sentry-trace` has a span id
/// of its own. The object is empty without a trace.
///
/// ```js
/// import { traceHeaders } from "/tracehop-….js";
///
/// // Neither can send headers: the service reads them from the query.
/// new WebSocket(`/live?${new URLSearchParams(traceHeaders())}`);
/// new EventSource(`/events?${new URLSearchParams(traceHeaders())}`);
/// // A worker's own requests: it adds them to the headers of its `fetch`.
/// worker.postMessage({ job: 7, trace: traceHeaders() });
/// // A form: the service reads them from the fields.
/// form.addEventListener("formdata", ({ formData }) => {
///   for (const [name, value] of Object.entries(traceHeaders())) formData.set(name, value);
/// });
/// ```
///
/// The service continues from a query or from fields as from headers: `propagator.continue_trace(&map)`.
///
/// # Errors in the page
///
/// The script never throws. It keeps the arguments, results, names and `this` of what it wraps. Requests to origins
/// that are not listed pass through unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageScript;

impl PageScript {
    /// The text of the module, in ASCII. It can stand in a `<script type="module">` element.
    pub const TEXT: &str = include_str!("page.min.js");

    /// The name of the file, with a hash of its content.
    pub const FILE_NAME: &str = "tracehop-16b6075bb94e.js";

    /// The value of the attribute `integrity`.
    pub const INTEGRITY: &str =
        "sha384-FrYHW7lO6iqr6wQ9gx/6eUbRQNram+k6jyLzmnchSGzxg/vtxwE0JBrBW0TtUL5R";

    /// The value of the header `content-type`.
    pub const CONTENT_TYPE: &str = "text/javascript; charset=utf-8";

    /// The value of the header `cache-control`: the content of a name never changes.
    pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";
}

impl fmt::Display for PageScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::TEXT)
    }
}

/// Lets askama write without `fmt::Formatter`.
impl FastWritable for PageScript {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        Ok(dest.write_str(Self::TEXT)?)
    }
}

/// A script, whose text browsers do not unescape.
impl HtmlSafe for PageScript {}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use sha2::{Digest as _, Sha384};

    use super::*;

    #[test]
    fn fits_into_1200_bytes_with_gzip() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(PageScript::TEXT.as_bytes()).unwrap();
        let size = gzip.finish().unwrap().len();
        assert!(size <= 1200, "{size} bytes");
    }

    #[test]
    fn hashes_are_those_of_the_text() {
        let hash = Sha384::digest(PageScript::TEXT);
        let integrity = format!("sha384-{}", BASE64_STANDARD.encode(hash));
        let start: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let actual = (PageScript::INTEGRITY, PageScript::FILE_NAME);
        assert_eq!(actual, (&*integrity, &*format!("tracehop-{start}.js")));
    }

    #[test]
    fn can_stand_in_a_script_element() {
        assert!(PageScript::TEXT.is_ascii());
        for end in ["</", "<!--", "<script"] {
            assert!(!PageScript::TEXT.contains(end), "{end}");
        }
    }
}
