//! Pages for hostile callers. Each page has what its caller sent, as far as the library accepts it. A real browser then
//! shows whether it did any harm.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, Html, Json, Path, ServiceConfig};
use actix_web::{Error, Responder, error};
use askama::Template;
use tracehop::Propagator;
use tracehop_actix::{Trace, TracePropagation};
use tracehop_askama::filters;

/// The `sentry-trace` and the `baggage` of each caller. A script that runs sets `ran` in its window.
const CALLERS: [(&str, &[u8]); 17] = [
    (GOOD, b"sentry-a=harmless"),
    (GOOD, b"sentry-a=\"><script>top.ran=1</script>"),
    (GOOD, b"sentry-a='><img/src=x/onerror=top.ran=1>"),
    (GOOD, b"sentry-a=\"/onload=top.ran=1/x=\""),
    (GOOD, b"sentry-a=</title></head><body/onload=top.ran=1>"),
    (GOOD, b"sentry-a=<!--,sentry-b=--><svg/onload=top.ran=1>"),
    (GOOD, b"sentry-a=&quot;&gt;&lt;script&gt;top.ran=1&lt;/script&gt;"),
    (GOOD, b"sentry-a=&#34&#62<script>top.ran=1</script>"),
    (GOOD, b"sentry-a=%22%3E%3Cscript%3Etop.ran=1%3C/script%3E"),
    (GOOD, b"sentry-a=1;p=\"><script>top.ran=1</script>,sentry-'=`;q='<b>"),
    (GOOD, b"sentry-a=\\\",evil;desc=\\\"1\\\",sentry-b=\\"),
    (GOOD, b"sentry-a=%0D%0Aset-cookie:%20ran=1,sentry-b=%00%1B%7F"),
    (GOOD, b"sentry-a=\x80\xff,sentry-b=\xc3\xa9<\xe2\x80\xa8>,sentry-c=1"),
    (GOOD, b"sentry-a=+ADw-script+AD4-top.ran=1+ADw-/script+AD4-"),
    (GOOD, b"sentry-a=\tjavascript:top.ran=1\t, sentry-b = {{top.ran}}"),
    ("\"><script>top.ran=1</script>", b"sentry-a=\"><script>top.ran=1</script>"),
    (GOOD, b"\"><script>top.ran=1</script>"),
];

const GOOD: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";

/// The names and values of the tags that each caller's page was rendered with.
pub(crate) type Rendered = Data<Mutex<BTreeMap<usize, Vec<(&'static str, String)>>>>;

/// `/hostile` is the number of callers, `/hostile/{caller}` the page of one, and `/hostile/{caller}/tags` the tags that it
/// was rendered with.
pub(crate) fn routes(config: &mut ServiceConfig, propagator: Propagator) {
    config
        .route("/hostile", web::get().to(|| async { Json(CALLERS.len()) }))
        .route("/hostile/{caller}/tags", web::get().to(tags))
        .service(
            web::resource("/hostile/{caller}")
                .route(web::get().to(page))
                .wrap(TracePropagation::new(propagator).server_timing(true))
                .wrap(from_fn(call)),
        );
}

/// Puts the headers of a hostile caller into the request of the browser.
async fn call(
    caller: Path<usize>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let (sentry_trace, baggage) = CALLERS.get(*caller).ok_or_else(|| error::ErrorNotFound(""))?;
    for (name, value) in [("sentry-trace", sentry_trace.as_bytes()), ("baggage", baggage)] {
        let value = HeaderValue::from_bytes(value).map_err(error::ErrorInternalServerError)?;
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    next.call(request).await
}

#[derive(Template)]
#[template(
    ext = "html",
    source = "<!doctype html><html><head>{{ trace|trace_meta }}<title>Page</title></head><body></body></html>"
)]
struct Page {
    trace: Trace,
}

async fn page(
    trace: Trace,
    caller: Path<usize>,
    rendered: Rendered,
) -> actix_web::Result<impl Responder> {
    let tags = trace.trace_data().iter().map(|(name, value)| (name, value.to_owned())).collect();
    rendered.lock().unwrap_or_else(PoisonError::into_inner).insert(*caller, tags);
    Ok(Html::new(Page { trace }.render().map_err(error::ErrorInternalServerError)?))
}

async fn tags(caller: Path<usize>, rendered: Rendered) -> actix_web::Result<impl Responder> {
    let rendered = rendered.lock().unwrap_or_else(PoisonError::into_inner);
    let tags = rendered.get(&caller).ok_or_else(|| error::ErrorNotFound(""))?;
    Ok(Json(tags.clone()))
}
