//! A service with Sentry's SDK for Rust, set up as its documentation says.

use actix_web::web::{self, Data, Json, Query};
use actix_web::{App, HttpRequest, error};
use clap::Parser as _;
use sentry::Hub;
use sentry::protocol::TraceContext;
use tracehop_interop::{Arguments, Next, Reply, Seen, client_options, next, serve};

const NAME: &str = "sentry-rust";

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, options } = Arguments::parse();
    let _guard = sentry::init(client_options(options));
    let client = Data::new(reqwest::Client::new());
    serve(NAME, listen, move || {
        App::new()
            .app_data(Data::clone(&client))
            .wrap(sentry_actix::Sentry::with_transaction())
            .route("/relay", web::get().to(relay))
    })
    .await
}

async fn relay(
    request: HttpRequest,
    asked: Query<Next>,
    client: Data<reqwest::Client>,
) -> actix_web::Result<Json<Reply>> {
    let transaction = Hub::current().configure_scope(|scope| scope.get_span());
    let transaction =
        transaction.ok_or_else(|| error::ErrorInternalServerError("no transaction"))?;
    let TraceContext { trace_id, span_id, parent_span_id, .. } = transaction.get_trace_context();

    let span = transaction.start_child("http.client", "GET");
    let seen = Seen {
        trace_id: Some(trace_id.to_string()),
        span_id: Some(span_id.to_string()),
        parent_span_id: parent_span_id.map(|id| id.to_string()),
        // The SDK has no getter for it. The `sentry-trace` that it sends has the decision.
        sampled: None,
        not_continued: None,
        client_span_id: Some(span.get_trace_context().span_id.to_string()),
        own_dsc: None,
    };
    let mut reply = Reply::new(NAME, &request, seen);
    if let Some(url) = &asked.next {
        let mut call = client.get(url);
        for (name, value) in span.iter_headers() {
            call = call.header(name, value);
        }
        let response = call.send().await.map_err(error::ErrorBadGateway)?;
        reply.next = Some(next(response).await.map_err(error::ErrorBadGateway)?);
    }
    span.finish();
    Ok(Json(reply))
}
