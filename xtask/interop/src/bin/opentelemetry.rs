//! A service with OpenTelemetry for Rust and its two W3C propagators.

use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::web::{self, Data, Json, Query};
use actix_web::{App, HttpRequest, error};
use clap::Parser as _;
use opentelemetry::propagation::{Extractor, TextMapCompositePropagator, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, TraceContextExt as _, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracehop_interop::{Arguments, Next, Reply, Seen, next, serve};

const NAME: &str = "opentelemetry";

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, options: _ } = Arguments::parse();
    let provider = SdkTracerProvider::builder().build();
    let service = Data::new(Service {
        client: reqwest::Client::new(),
        propagator: TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(BaggagePropagator::new()),
        ]),
        tracer: provider.tracer(NAME),
    });
    serve(NAME, listen, move || {
        App::new().app_data(Data::clone(&service)).route("/relay", web::get().to(relay))
    })
    .await
}

struct Service {
    client: reqwest::Client,
    propagator: TextMapCompositePropagator,
    tracer: SdkTracer,
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values: Vec<_> = self.0.get_all(key).filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then_some(values)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

async fn relay(
    request: HttpRequest,
    asked: Query<Next>,
    service: Data<Service>,
) -> actix_web::Result<Json<Reply>> {
    let Service { client, propagator, tracer } = &**service;
    let caller = propagator.extract_with_context(&Context::new(), &Headers(request.headers()));
    let parent = caller.span().span_context().span_id();
    let span = tracer
        .span_builder("GET /relay")
        .with_kind(SpanKind::Server)
        .start_with_context(tracer, &caller);
    let here = caller.with_span(span);
    let span = tracer
        .span_builder("GET")
        .with_kind(SpanKind::Client)
        .with_attributes([KeyValue::new("http.request.method", "GET")])
        .start_with_context(tracer, &here);

    let position = here.span().span_context().clone();
    let seen = seen(&position, parent, span.span_context().span_id());
    let mut reply = Reply::new(NAME, &request, seen);
    if let Some(url) = &asked.next {
        let mut call = client.get(url).build().map_err(error::ErrorBadRequest)?;
        let there = here.with_span(span);
        propagator.inject_context(&there, &mut HeaderInjector(call.headers_mut()));
        let response = client.execute(call).await.map_err(error::ErrorBadGateway)?;
        reply.next = Some(next(response).await.map_err(error::ErrorBadGateway)?);
    }
    Ok(Json(reply))
}

fn seen(position: &SpanContext, parent: SpanId, client: SpanId) -> Seen {
    Seen {
        trace_id: Some(position.trace_id().to_string()),
        span_id: Some(position.span_id().to_string()),
        parent_span_id: (parent != SpanId::INVALID).then(|| parent.to_string()),
        sampled: Some(position.is_sampled()),
        not_continued: None,
        client_span_id: Some(client.to_string()),
        own_dsc: None,
    }
}
