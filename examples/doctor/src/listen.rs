//! An endpoint that explains to its callers the headers that they sent.

use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::header::{ACCEPT, ContentType};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use tokio::sync::mpsc::UnboundedSender;
use tracehop::Field;

use crate::{Report, explain};

/// Answers every request with what its headers say, and tells it as well. Browsers of any page may call.
///
/// The answer is a text, or JSON for callers that accept it by name.
///
/// # Errors
///
/// A socket that cannot be listened on.
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
    let report =
        explain(format!("{} {}", request.method(), request.path()), &trace_headers(&request));
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
    // If nobody reads along any more, the caller still gets its answer.
    let _ = reports.send(report);
    response
}

fn trace_headers(request: &HttpRequest) -> Vec<(&'static str, Vec<u8>)> {
    let lines = |field: &Field| {
        let lines = request.headers().get_all(field.name());
        lines.map(|line| (field.name(), line.as_bytes().to_vec())).collect::<Vec<_>>()
    };
    Field::ALL.iter().flat_map(lines).collect()
}
