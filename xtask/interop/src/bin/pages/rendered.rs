//! Pages, rendered with the filters and the page script of tracehop-askama.

use actix_web::web::{self, Data, Html, Query, ServiceConfig};
use actix_web::{CustomizeResponder, Responder, error};
use askama::Template;
use serde::Deserialize;
use tracehop::{PropagationContext, Propagator};
use tracehop_askama::{PageScript, filters};

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/page", web::get().to(page))
        .route("/htmx", web::get().to(htmx))
        .route("/fragment", web::get().to(fragment))
        .route("/places", web::get().to(places));
}

/// The caller of a page.
#[derive(Debug, Deserialize)]
struct Caller {
    /// The last digit of the trace id.
    #[serde(default)]
    trace: u8,
    /// The `sentry-` members that it sends.
    #[serde(default = "usual")]
    baggage: String,
}

fn usual() -> String {
    "sentry-release=shop%401,sentry-sample_rand=0.5".to_owned()
}

impl Caller {
    fn trace(&self, propagator: &Propagator) -> PropagationContext {
        let Self { trace, baggage } = self;
        let sentry_trace = format!("771a43a4192642f0b136d5159a50170{trace}-b72fa28504b07285-1");
        let headers = [("sentry-trace", sentry_trace.as_bytes()), ("baggage", baggage.as_bytes())];
        propagator.continue_trace(&headers[..])
    }
}

/// What a page is made of.
#[derive(Debug, Deserialize)]
struct Parts {
    /// Where the trace is: `tags`, `timing` or `nowhere`.
    #[serde(default)]
    from: String,
    /// How the page script is loaded: `file`, `inline` or not at all.
    #[serde(default)]
    script: String,
    /// The other origins that get headers.
    #[serde(default)]
    origins: String,
    /// The Content-Security-Policy.
    #[serde(default)]
    policy: String,
    /// More of the head, as it is.
    #[serde(default)]
    head: String,
    /// The body, as it is.
    #[serde(default)]
    body: String,
}

const NONCE: &str = "cGFnZXM";

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Page</title>
<link rel="icon" href="data:,">
{{ trace|trace_meta }}
<meta name="trace-origins" content="{{ parts.origins }}">
{{ parts.head|safe }}
{% if parts.script == "file" %}
<script type="module" src="/{{ PageScript::FILE_NAME }}" integrity="{{ PageScript::INTEGRITY }}" nonce="{{ NONCE }}"></script>
{% elif parts.script == "inline" %}
<script type="module" nonce="{{ NONCE }}">{{ PageScript }}
globalThis.inlineHeaders = traceHeaders();
</script>
{% endif %}
</head>
<body>{{ parts.body|safe }}</body>
</html>"#
)]
struct Page<'a> {
    trace: Option<&'a PropagationContext>,
    parts: &'a Parts,
}

async fn page(
    caller: Query<Caller>,
    parts: Query<Parts>,
    propagator: Data<Propagator>,
) -> actix_web::Result<impl Responder> {
    let trace = caller.trace(&propagator);
    let page = Page { trace: (parts.from == "tags").then_some(&trace), parts: &parts };
    let mut response = html(&page)?;
    if parts.from == "timing" {
        response = response.insert_header(("server-timing", trace.trace_data().server_timing()));
    }
    if !parts.policy.is_empty() {
        response = response.insert_header(("content-security-policy", parts.policy.as_str()));
    }
    Ok(response)
}

fn html(template: &impl Template) -> actix_web::Result<CustomizeResponder<Html>> {
    let html = template.render().map_err(error::ErrorInternalServerError)?;
    Ok(Html::new(html).customize().insert_header(("cache-control", "no-store")))
}

/// A page whose requests htmx makes.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>htmx</title><link rel="icon" href="data:,"><script src="/htmx.js"></script></head>
<body {{ trace|hx_headers }}>
<button id="click" hx-get="/call/click" hx-swap="none">Click</button>
<form id="form" hx-post="/call/form" hx-swap="none"><input name="quantity" value="3"><button>Send</button></form>
<a id="boost" hx-boost="true" hx-target="#boosted" hx-push-url="false" href="/call/boost">Boost</a>
<div id="boosted"></div>
<div hx-get="/call/poll" hx-trigger="every 50ms" hx-swap="none"></div>
<div hx-headers='{"x-application": "7"}'><button id="inherited" hx-get="/call/inherited" hx-swap="none">Inherit</button></div>
<div hx-headers='{"baggage": "tenant=7"}'><button id="overridden" hx-get="/call/overridden" hx-swap="none">Override</button></div>
<button id="swap" hx-get="/fragment?trace=2" hx-target="#swapped">Swap</button>
<div id="swapped"></div>
</body>
</html>"##
)]
struct Htmx {
    trace: PropagationContext,
}

async fn htmx(
    caller: Query<Caller>,
    propagator: Data<Propagator>,
) -> actix_web::Result<impl Responder> {
    html(&Htmx { trace: caller.trace(&propagator) })
}

/// A part of a page, of a later request.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div {{ trace|hx_headers }}>{{ trace|trace_meta }}<button id="newer" hx-get="/call/newer" hx-swap="none">Newer</button></div>"#
)]
struct Fragment {
    trace: PropagationContext,
}

async fn fragment(
    caller: Query<Caller>,
    propagator: Data<Propagator>,
) -> actix_web::Result<impl Responder> {
    html(&Fragment { trace: caller.trace(&propagator) })
}

/// The bare value in the places that the docs call safe and unsafe. Text that runs as code sets `ran`.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Places</title><link rel="icon" href="data:,"></head>
<body>
<p id="text">{{ trace|baggage }}</p>
<p id="double" data-baggage="{{ trace|baggage }}"></p>
<p id="single" data-baggage='{{ trace|baggage }}'></p>
<script type="application/json" id="json">{{ trace|baggage|json|safe }}</script>
{% if place == "event" %}
<button onclick="void '{{ trace|baggage }}'">Send</button>
{% elif place == "template literal" %}
<script>void `{{ trace|baggage }}`;</script>
{% endif %}
<script>
  document.querySelector("button")?.click();
  globalThis.read = {
    text: document.getElementById("text").textContent,
    double: document.getElementById("double").dataset.baggage,
    single: document.getElementById("single").dataset.baggage,
    json: JSON.parse(document.getElementById("json").textContent),
  };
</script>
</body>
</html>"#
)]
struct Places<'a> {
    trace: PropagationContext,
    place: &'a str,
}

#[derive(Debug, Deserialize)]
struct Place {
    #[serde(default)]
    place: String,
}

async fn places(
    caller: Query<Caller>,
    place: Query<Place>,
    propagator: Data<Propagator>,
) -> actix_web::Result<impl Responder> {
    html(&Places { trace: caller.trace(&propagator), place: &place.place })
}
