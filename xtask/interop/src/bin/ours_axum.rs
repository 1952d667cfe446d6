//! A service with tracehop, axum and hyper's client. It does what the service with actix-web and reqwest does.

use askama::Template as _;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Path, Query, State};
use axum::http::{HeaderName, Request, StatusCode};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Extension, Json, Router};
use clap::Parser as _;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::util::MapRequestLayer;
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::{Any, CorsLayer};
use tracehop::tower::{ClientTracePropagation, ClientTracePropagationLayer, TracePropagationLayer};
use tracehop::{Field, PropagationContext};
use tracehop_askama::PageScript;
use tracehop_interop::{Arrived, Next, OurArguments, Page, PageQuery, Reply, Seen, Tags};

/// The name of the service with actix-web as well, because the same checks apply.
const NAME: &str = "ours";

type HttpClient = ClientTracePropagation<Client<HttpConnector, Body>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = OurArguments::parse();
    let (propagator, _guard) = arguments.start()?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let client = ClientTracePropagationLayer::new(propagator.clone()).layer(client);
    let script = Bytes::from(arguments.script()?);
    let page_script = arguments.page_script;
    let layer = TracePropagationLayer::new(propagator)
        .route(|request| request.extensions.get::<MatchedPath>().map(MatchedPath::as_str))
        .server_timing(arguments.server_timing);
    let app = Router::new()
        .route("/relay", get(relay))
        .route(
            "/pages/{tags}",
            get(async move |Extension(trace), tags, query| page(trace, tags, page_script, query)),
        )
        .route(&["/", PageScript::FILE_NAME].concat(), get(send_page_script))
        .route("/script.js", get(async move || send_script(script)))
        .with_state(client)
        .layer(layer)
        .layer(cors())
        .layer(MapRequestLayer::new(|mut request: Request<Body>| {
            let arrived = Arrived::with(|name| request.headers().get_all(name).into_iter());
            request.extensions_mut().insert(arrived);
            request
        }));
    let listener = TcpListener::bind(arguments.common.listen).await?;
    println!("{NAME} listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Allows pages on other origins to call, with their trace.
fn cors() -> CorsLayer {
    let names = Field::ALL.iter().map(|field| HeaderName::from_static(field.name()));
    CorsLayer::new().allow_origin(Any).allow_headers(names.collect::<Vec<_>>())
}

async fn relay(
    Extension(trace): Extension<PropagationContext>,
    Extension(arrived): Extension<Arrived>,
    Query(asked): Query<Next>,
    State(client): State<HttpClient>,
) -> Result<Json<Reply>, StatusCode> {
    let seen = Seen::of(&trace);
    // Without `--sentry` there is no client, and nothing is sent.
    sentry::capture_message("relayed", sentry::Level::Error);
    let mut reply = Reply::with(NAME, arrived, seen);
    if let Some(url) = asked.next {
        reply.next = Some(next(client, &url).await.map_err(|_| StatusCode::BAD_GATEWAY)?);
    }
    Ok(Json(reply))
}

/// Calls the next service, and reads its reply.
async fn next(client: HttpClient, url: &str) -> anyhow::Result<serde_json::Value> {
    let response = client.oneshot(Request::get(url).body(Body::empty())?).await?;
    anyhow::ensure!(response.status().is_success(), "status {}", response.status());
    Ok(serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?)
}

fn page(
    trace: PropagationContext,
    Path(tags): Path<Tags>,
    page_script: bool,
    Query(query): Query<PageQuery>,
) -> Result<Html<String>, StatusCode> {
    let page = Page::new(trace, tags, page_script, query).render();
    page.map(Html).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn send_page_script() -> impl IntoResponse {
    ([("content-type", PageScript::CONTENT_TYPE)], PageScript::TEXT)
}

fn send_script(script: Bytes) -> impl IntoResponse {
    ([("content-type", "text/javascript; charset=utf-8")], script)
}
