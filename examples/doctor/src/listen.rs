//! An endpoint that explains the headers of incoming requests.

use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::header::{ACCEPT, ContentType};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use tokio::sync::mpsc::UnboundedSender;

use crate::{Report, explain};

/// Serves an endpoint on a socket that answers each request with a report on its headers, and sends the report to the
/// channel as well. Pages of any origin may call.
///
/// The response is text, or JSON if the caller's `Accept` names it. The returned server runs when it is awaited or
/// spawned, in a runtime of actix-web.
///
/// # Errors
///
/// The socket cannot be listened on.
pub fn serve(listener: TcpListener, reports: UnboundedSender<Report>) -> anyhow::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(reports.clone()))
            .wrap(Cors::permissive())
            .default_service(web::to(answer))
    });
    Ok(server.workers(1).listen(listener)?.run())
}

async fn answer(request: HttpRequest, reports: Data<UnboundedSender<Report>>) -> HttpResponse {
    let subject = format!("{} {}", request.method(), request.path());
    let report = explain(subject, request.headers());
    let accept = request.headers().get_all(ACCEPT).filter_map(|line| line.to_str().ok());
    let is_script = accept.into_iter().any(|line| line.contains("application/json"));
    let response = if is_script {
        HttpResponse::Ok().json(report.to_json())
    } else {
        let text = report.to_text();
        let text = anstream::adapter::strip_str(&text).to_string();
        HttpResponse::Ok()
            .content_type(ContentType::plaintext())
            .insert_header(("x-content-type-options", "nosniff"))
            .body(text)
    };
    // The receiver may be gone. The caller gets its response all the same.
    let _ = reports.send(report);
    response
}
