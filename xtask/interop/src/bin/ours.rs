//! A service with tracehop.

use std::fs;
use std::path::PathBuf;

use actix_cors::Cors;
use actix_web::dev::Service as _;
use actix_web::web::{self, Bytes, Data, Html, Json, Path, Query};
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, Responder, error};
use askama::Template;
use clap::Parser;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use sentry::transports::DefaultTransportFactory;
use serde::Deserialize;
use tracehop::{Propagator, PropagatorBuilder};
use tracehop_actix::{TRACE_HEADERS, Trace};
use tracehop_askama::{PageScript, filters};
use tracehop_interop::{
    Arguments, Arrived, Next, Options, Reply, Seen, client_options, next, serve,
};
use tracehop_sentry::SentryRecorder;

const NAME: &str = "ours";

#[derive(Parser)]
#[command(about = "A service with tracehop")]
struct OurArguments {
    #[command(flatten)]
    common: Arguments,
    /// The script that pages load
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Load the page script before it, for calls to the next service
    #[arg(long)]
    page_script: bool,
    /// Send the trace of a page in Server-Timing
    #[arg(long)]
    server_timing: bool,
    /// Record requests, calls and an error of each request with Sentry's SDK
    #[arg(long)]
    sentry: bool,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let OurArguments { common, script, page_script, server_timing, sentry } = OurArguments::parse();
    let recorder = sentry.then(SentryRecorder::new);
    let _guard = recorder.as_ref().map(|recorder| {
        let transport = recorder.transport(DefaultTransportFactory);
        sentry::init(client_options(common.options.clone()).transport(transport))
    });
    let builder = builder(common.options);
    let propagator = match recorder {
        Some(recorder) => builder.recorder(recorder).build()?,
        None => builder.build()?,
    };
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(tracehop_reqwest::TracePropagation::new(propagator.clone()))
        .build();
    let client = Data::new(client);
    let page_script = Data::new(WithPageScript(page_script));
    let script = Data::new(script.map(fs::read).transpose()?.map(Bytes::from).unwrap_or_default());
    serve(NAME, common.listen, move || {
        let propagation = tracehop_actix::TracePropagation::new(propagator.clone());
        App::new()
            .app_data(Data::clone(&client))
            .app_data(Data::clone(&script))
            .app_data(Data::clone(&page_script))
            .wrap(propagation.server_timing(server_timing))
            .wrap(cors())
            .wrap_fn(|request, service| {
                let arrived = Arrived::with(request.headers());
                request.extensions_mut().insert(arrived);
                service.call(request)
            })
            .route("/relay", web::get().to(relay))
            .route("/pages/{tags}", web::get().to(page))
            .route("/script.js", web::get().to(send_script))
            .route(&["/", PageScript::FILE_NAME].concat(), web::get().to(send_page_script))
    })
    .await
}

/// Allows pages on other origins to call, with their trace.
fn cors() -> Cors {
    Cors::default()
        .allow_any_origin()
        .allowed_methods(["GET"])
        .allowed_headers(TRACE_HEADERS.iter().copied())
}

fn builder(options: Options) -> PropagatorBuilder {
    let mut builder = Propagator::builder()
        .strict_trace_continuation(options.strict_trace_continuation)
        .propagate_traceparent(options.propagate_traceparent)
        .continue_traceparent(options.continue_traceparent);
    if let Some(dsn) = options.dsn {
        builder = builder.dsn(dsn);
    }
    if let Some(release) = options.release {
        builder = builder.release(release);
    }
    if let Some(environment) = options.environment {
        builder = builder.environment(environment);
    }
    if let Some(org_id) = options.org_id {
        builder = builder.org_id(org_id);
    }
    if let Some(rate) = options.traces_sample_rate {
        builder = builder.traces_sample_rate(rate);
    }
    if let Some(rate) = options.sampler_answers {
        builder = builder.traces_sampler(move |_| rate);
    } else if let Some(rate) = options.sampler_inherits_or {
        builder = builder.traces_sampler(move |context| context.inherit_or_sample_with(rate));
    }
    builder
}

async fn relay(
    request: HttpRequest,
    trace: Trace,
    asked: Query<Next>,
    client: Data<ClientWithMiddleware>,
) -> actix_web::Result<Json<Reply>> {
    let seen = Seen {
        trace_id: Some(trace.trace_id().to_string()),
        span_id: Some(trace.span_id().to_string()),
        parent_span_id: trace.parent_span_id().map(|id| id.to_string()),
        sampled: trace.sampled(),
        not_continued: trace.not_continued().map(ToString::to_string),
        // The next service sees this span as its parent, unless Sentry's SDK records a span for the call.
        client_span_id: Some(trace.span_id().to_string()),
        own_dsc: Some(trace.dsc().to_string()),
    };
    // Without `--sentry` there is no client, and nothing is sent.
    sentry::capture_message("relayed", sentry::Level::Error);
    let mut reply = Reply::new(NAME, &request, seen);
    if let Some(url) = &asked.next {
        let response = client.get(url).send().await.map_err(error::ErrorBadGateway)?;
        reply.next = Some(next(response).await.map_err(error::ErrorBadGateway)?);
    }
    Ok(Json(reply))
}

/// A page whose script runs the browser's SDK.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>A page of one trace</title>
<link rel="icon" href="data:,">
{% if tags %}{{ trace|trace_meta }}{% endif %}
{% if page_script %}
<meta name="trace-origins" content="{{ next }}">
<script type="module" src="/{{ PageScript::FILE_NAME }}" integrity="{{ PageScript::INTEGRITY }}"></script>
{% endif %}
</head>
<body data-options="{{ options }}" data-next="{{ next }}">
<h1>A page of one trace</h1>
<p>Rendered in the trace <code>{{ trace.trace_id() }}</code>,
by the span <code>{{ trace.span_id() }}</code>.</p>
<p>The script calls <code>{{ next }}</code>:</p>
<pre id="reply">waiting</pre>
<script type="module" src="/script.js"></script>
</body>
</html>"#
)]
struct Page {
    trace: Trace,
    tags: bool,
    page_script: bool,
    options: String,
    next: String,
}

#[derive(Deserialize)]
struct PageQuery {
    /// The options of the browser's SDK, as JSON.
    options: String,
    /// The URL that the script calls.
    next: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Tags {
    WithTags,
    WithoutTags,
}

async fn page(
    trace: Trace,
    tags: Path<Tags>,
    query: Query<PageQuery>,
    page_script: Data<WithPageScript>,
) -> actix_web::Result<impl Responder> {
    let PageQuery { options, next } = query.into_inner();
    let tags = *tags == Tags::WithTags;
    let page = Page { trace, tags, page_script: page_script.0, options, next };
    Ok(Html::new(page.render().map_err(error::ErrorInternalServerError)?))
}

/// Whether pages load the page script.
struct WithPageScript(bool);

async fn send_page_script() -> impl Responder {
    HttpResponse::Ok().content_type(PageScript::CONTENT_TYPE).body(PageScript::TEXT)
}

async fn send_script(script: Data<Bytes>) -> impl Responder {
    let javascript = "text/javascript; charset=utf-8";
    HttpResponse::Ok().content_type(javascript).body(Bytes::clone(&script))
}
