//! What the services with this library have in common, whatever their framework.

use std::fs;
use std::path::PathBuf;

use askama::Template;
use clap::Parser;
use sentry::ClientInitGuard;
use sentry::transports::DefaultTransportFactory;
use serde::Deserialize;
use tracehop::{PropagationContext, Propagator, PropagatorBuilder};
use tracehop_askama::{PageScript, filters};
use tracehop_sentry::SentryRecorder;

use crate::{Arguments, Options, Seen, client_options};

/// The command line of a service with this library.
#[derive(Debug, Parser)]
#[command(about = "A service with tracehop")]
pub struct OurArguments {
    /// The command line of every service.
    #[command(flatten)]
    pub common: Arguments,
    /// The script that pages load
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Load the page script before it, for calls to the next service
    #[arg(long)]
    pub page_script: bool,
    /// Send the trace of a page in Server-Timing
    #[arg(long)]
    pub server_timing: bool,
    /// Record requests, calls and an error of each request with Sentry's SDK
    #[arg(long)]
    sentry: bool,
}

impl OurArguments {
    /// Returns the propagator, and Sentry's SDK for as long as the service runs.
    ///
    /// # Errors
    ///
    /// Options that are not valid.
    pub fn start(&self) -> anyhow::Result<(Propagator, Option<ClientInitGuard>)> {
        let options = self.common.options.clone();
        let builder = builder(options.clone());
        if !self.sentry {
            return Ok((builder.build()?, None));
        }
        let recorder = SentryRecorder::new();
        let transport = recorder.transport(DefaultTransportFactory);
        let guard = sentry::init(client_options(options).transport(transport));
        Ok((builder.recorder(recorder).build()?, Some(guard)))
    }

    /// Reads the script that pages load.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn script(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.script.as_ref().map(fs::read).transpose()?.unwrap_or_default())
    }
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

impl Seen {
    /// Reads the position from a context.
    pub fn of(trace: &PropagationContext) -> Self {
        Self {
            trace_id: Some(trace.trace_id().to_string()),
            span_id: Some(trace.span_id().to_string()),
            parent_span_id: trace.parent_span_id().map(|id| id.to_string()),
            sampled: trace.sampled(),
            not_continued: trace.not_continued().map(ToString::to_string),
            // The next service sees this span as its parent, unless Sentry's SDK records a span for the call.
            client_span_id: Some(trace.span_id().to_string()),
            own_dsc: Some(trace.dsc().to_string()),
        }
    }
}

/// A page whose script runs the browser's SDK.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>A page of one trace</title>
<link rel="icon" href="data:,">
{% if has_tags %}{{ trace|trace_meta }}{% endif %}
{% if page_script %}
<meta name="trace-origins" content="{{ query.next }}">
<script type="module" src="/{{ PageScript::FILE_NAME }}" integrity="{{ PageScript::INTEGRITY }}"></script>
{% endif %}
</head>
<body data-options="{{ query.options }}" data-next="{{ query.next }}">
<h1>A page of one trace</h1>
<p>Rendered in the trace <code>{{ trace.trace_id() }}</code>,
by the span <code>{{ trace.span_id() }}</code>.</p>
<p>The script calls <code>{{ query.next }}</code>:</p>
<pre id="reply">waiting</pre>
<script type="module" src="/script.js"></script>
</body>
</html>"#
)]
pub struct Page {
    trace: PropagationContext,
    has_tags: bool,
    page_script: bool,
    query: PageQuery,
}

impl Page {
    /// Makes the page, which may load the page script.
    pub fn new(trace: PropagationContext, tags: Tags, page_script: bool, query: PageQuery) -> Self {
        Self { trace, has_tags: tags == Tags::WithTags, page_script, query }
    }
}

/// The query of a page.
#[derive(Debug, Deserialize)]
pub struct PageQuery {
    /// The options of the browser's SDK, as JSON.
    options: String,
    /// The URL that the script calls.
    next: String,
}

/// Whether a page has the tags of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tags {
    /// The page has both tags.
    WithTags,
    /// The page has none.
    WithoutTags,
}
