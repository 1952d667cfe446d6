//! A service with axum and tracehop, without an adapter.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser as _;
use tracehop::Propagator;
use tracehop_interop::{Arguments, Next, Reply, Seen, next};

const NAME: &str = "axum";

#[derive(Clone)]
struct Service {
    propagator: Propagator,
    client: reqwest::Client,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, options } = Arguments::parse();
    let mut propagator = Propagator::builder();
    if let Some(rate) = options.traces_sample_rate {
        propagator = propagator.traces_sample_rate(rate);
    }
    let service = Service { propagator: propagator.build()?, client: reqwest::Client::new() };
    let app = Router::new().route("/relay", get(relay).options(preflight)).with_state(service);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("{NAME} listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

const ANY_ORIGIN: [(&str, &str); 1] = [("access-control-allow-origin", "*")];

/// Allows pages on other origins to call, with their trace.
async fn preflight() -> impl IntoResponse {
    (ANY_ORIGIN, [("access-control-allow-headers", "sentry-trace, baggage")])
}

async fn relay(
    State(service): State<Service>,
    Query(asked): Query<Next>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, StatusCode> {
    let trace = service.propagator.continue_trace(&headers);
    let seen = Seen {
        trace_id: Some(trace.trace_id().to_string()),
        span_id: Some(trace.span_id().to_string()),
        parent_span_id: trace.parent_span_id().map(|id| id.to_string()),
        sampled: trace.sampled(),
        not_continued: trace.not_continued().map(ToString::to_string),
        client_span_id: Some(trace.span_id().to_string()),
        own_dsc: Some(trace.dsc().to_string()),
    };
    let mut reply = Reply { service: NAME, received: received(&headers), seen, next: None };
    if let Some(url) = &asked.next {
        let mut outgoing = HeaderMap::new();
        trace.inject_to(url.as_str(), &mut outgoing);
        let response = service.client.get(url).headers(outgoing).send().await;
        let response = response.map_err(|_| StatusCode::BAD_GATEWAY)?;
        reply.next = Some(next(response).await.map_err(|_| StatusCode::BAD_GATEWAY)?);
    }
    Ok((ANY_ORIGIN, Json(reply)))
}

fn received(headers: &HeaderMap) -> BTreeMap<&'static str, String> {
    let lines = |name: &str| {
        let lines = headers.get_all(name).iter();
        lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(",")
    };
    let all = ["sentry-trace", "baggage"].map(|name| (name, lines(name)));
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}
